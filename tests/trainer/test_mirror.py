"""A network that sees pictures and their mirror images: what it answers, and the one that a search makes at its end."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from atelier_cli.search.replay import replay
from atelier_server.models.verification import verify
from atelier_store.audit import audit
from atelier_store.layout import Store
from atelier_store.ranking import rank
from atelier_store.records import Card, DataDescription, Manifest
from atelier_store.spec import Spec
from atelier_trainer.average import join
from atelier_trainer.export import session
from atelier_trainer.int8 import quantize
from atelier_trainer.mirror import mirrored
from atelier_trainer.tracing import trace
from atelier_trial import data
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor as Torch
from torch import nn, softmax, uint8, zeros

from tests.support.experiments import promote_best
from tests.support.onnx_bundles import image_bundle, outputs_of
from tests.support.workplace import NETWORK, Workplace, profile


def network(seed: int = 0, channels: int = 0) -> bytes:
    made = image_bundle(seed, channels=channels).network
    assert isinstance(made, onnx.ModelProto)
    return made.SerializeToString()


@given(rows=st.integers(0, 40), channels=st.sampled_from([0, 1, 3]), seed=st.integers(0, 2**32 - 1))
def test_it_answers_the_mean_for_a_picture_and_its_mirror_image(rows: int, channels: int, seed: int) -> None:
    of, shape = network(seed % 5, channels), (8, 8, channels) if channels else (8, 8)
    pictures = np.random.default_rng(seed).integers(0, 256, (rows, *shape), dtype=np.uint8)
    turned = np.ascontiguousarray(pictures[:, :, ::-1])
    expected = (outputs_of(of, {"input": pictures}) + outputs_of(of, {"input": turned})) / 2
    answers = outputs_of(mirrored(of), {"input": pictures})
    assert answers.shape == (rows, 3)
    np.testing.assert_allclose(answers, expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(outputs_of(mirrored(of), {"input": turned}), answers, rtol=1e-5, atol=1e-7)


def test_it_has_the_same_input_and_output_and_its_weights_once() -> None:
    before, after = (onnx.load_from_string(one) for one in (network(), mirrored(network())))
    signatures = [[value.SerializeToString() for value in (*m.graph.input, *m.graph.output)] for m in (before, after)]
    assert signatures[0] == signatures[1]
    weights = [[tuple(t.dims) for t in m.graph.initializer if len(t.dims) > 1] for m in (before, after)]
    assert weights[0] == weights[1]


class Convolutions(nn.Module):
    """A network whose layers are brought to int8, from one tensor (N, 8, 8) of uint8."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3), nn.Linear(8, 3)

    def forward(self, raw: Torch) -> Torch:
        x = self.second(self.first(raw.float().unsqueeze(1) / 255).relu()).relu()
        return softmax(self.last(x.mean((2, 3))), 1)


def test_an_average_is_mirrored_as_a_whole_and_what_is_mirrored_is_brought_to_int8() -> None:
    pictures = np.random.default_rng(1).integers(0, 256, (9, 8, 8), dtype=np.uint8)
    both = {"input": pictures}
    each = [outputs_of(mirrored(network(seed)), both) for seed in range(2)]
    whole = outputs_of(mirrored(join([network(0), network(1)])), both)
    np.testing.assert_allclose(whole, np.mean(each, 0), rtol=1e-5)
    traced, _ = trace(Convolutions().eval(), [zeros((1, 8, 8), dtype=uint8)], ["input"], "probabilities")
    of = mirrored(traced)
    small = quantize(of, [both])
    assert any("Quantize" in node.op_type for node in onnx.load_from_string(small).graph.node)
    np.testing.assert_allclose(outputs_of(small, both), outputs_of(of, both), atol=0.05)


def spec() -> Spec:
    """A search that asks for a mirrored network, which is retrained."""
    return profile(2, finish={"mirror": True, "retrain": "always"})


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    work = Workplace(tmp_path_factory.mktemp("searched"))
    for name, trial in (("t", (*NETWORK, "lr=0.01")), (None, ("--finish",))):
        end = work.run(spec(), *trial, name=name)
        assert end.code == 0, end.err
    return work


def manifests(store: Store) -> dict[str, Manifest]:
    """By what they are: trained, mirrored, retrained, and both."""
    found = {}
    for paths in store.trials():
        manifest = Manifest.read(paths.bundle.manifest)
        is_both = (manifest.config.retrained_epochs is not None, manifest.config.mirror_of is not None)
        found["both" if all(is_both) else "retrained" if is_both[0] else "mirrored" if is_both[1] else "t"] = manifest
    return found


@pytest.mark.process
def test_a_search_ends_with_its_winner_mirrored(searched: Workplace) -> None:
    store, found = searched.store, manifests(searched.store)
    best, made = found["t"], found["mirrored"]
    files = store.trial(made.config.key).bundle
    assert verify(files, made) == []
    assert audit(store).mismatches == []
    of = made.config.mirror_of
    assert of is not None
    assert (of.key, of.onnx_sha256, of.epochs) == (best.config.key, best.files["model.onnx"], 2)
    assert (made.params, made.macs, made.inputs, made.outputs) == (
        best.params,
        2 * best.macs,
        best.inputs,
        best.outputs,
    )
    assert (made.weights_sha256, made.provenance.parents) == (best.weights_sha256, (best.config.key,))
    assert made.parity.argmax_equal and made.parity.max_abs_difference < 1e-5
    assert Card.read(store.trial(made.config.key).card).macs == made.macs
    said = {line.what: line for line in rank(store, spec()).finish}
    assert (said["mirror"].key, said["mirror"].metric) == (made.config.key, made.metrics["val_accuracy"])
    assert said["mirror"].kept == (made.metrics["val_accuracy"] > best.metrics["val_accuracy"])


@pytest.mark.process
def test_its_score_is_that_of_the_mean_on_the_validation_rows(searched: Workplace) -> None:
    found = manifests(searched.store)
    made, files = found["mirrored"], searched.store.trial(found["t"].config.key).bundle
    description = DataDescription.read(searched.store.data(made.config.data_digest).description)
    arrays = data.load(searched.store, description)
    ((_, rows),) = data.parts(arrays, description, 0.2, None, 0).splits
    running, x = session(files.network.read_bytes(), 1), np.asarray(arrays.train_x[rows])
    answers = sum(running.run(None, {"input": np.ascontiguousarray(one)})[0] for one in (x, x[:, :, ::-1]))
    assert made.metrics["val_accuracy"] == pytest.approx((answers.argmax(1) == arrays.train_y[rows]).mean())


def let_it_win(store: Store) -> None:
    """The mirrored network with the better score: digits are no pictures that gain by it."""
    manifest = manifests(store)["mirrored"]
    better = manifest.model_copy(update={"metrics": manifest.metrics | {"val_accuracy": 1.0}})
    better.write(store.trial(manifest.config.key).bundle.manifest)


@pytest.mark.process
def test_what_is_retrained_of_a_mirrored_winner_is_mirrored_promoted_and_replayed(
    searched: Workplace, tmp_path: Path
) -> None:
    work = Workplace(tmp_path)
    shutil.copytree(searched.store.root, work.store.root)
    let_it_win(work.store)
    ends = []
    for _ in range(2):
        end = work.run(spec(), "--finish", name=None)
        assert end.code == 0, end.err
        ends.append({trial.key: trial.card.read_bytes() for trial in work.store.trials()})
    assert ends[0] == ends[1]
    found = manifests(work.store)
    again, both = found["retrained"], found["both"]
    of = both.config.mirror_of
    assert of is not None and of.key == again.config.key
    assert (both.metrics, both.macs, both.weights_sha256) == (again.metrics, 2 * again.macs, again.weights_sha256)
    assert set(both.metrics) == {"train_loss"}
    assert both.provenance.experiment == spec().experiment_name
    assert verify(work.store.trial(both.config.key).bundle, both) == []
    assert both.parity.argmax_equal
    done = promote_best(work.store, spec().experiment_name, "digits")
    assert (done.promotion.key, done.promotion.metric) == (both.config.key, None)
    assert done.promotion.test_metrics
    replayed = replay(work.store, both.config.key, Store(tmp_path / "scratch"))
    assert replayed.stored and not replayed.different


@pytest.mark.process
def test_a_mirrored_network_is_replayed(searched: Workplace, tmp_path: Path) -> None:
    replayed = replay(searched.store, manifests(searched.store)["mirrored"].config.key, Store(tmp_path / "scratch"))
    assert replayed.stored and not replayed.different


@pytest.mark.process
def test_one_whose_multiply_adds_are_over_the_budget_has_no_bundle(work: Workplace) -> None:
    assert work.run(profile(1), *NETWORK, name="t").code == 0
    key, macs = work.trial.key, work.card.macs or 0
    end = work.run(profile(1, budget={"macs": 2 * macs - 1}), f"--mirror-of={key}", name="both")
    assert end.code == 0, end.err
    (made,) = [trial for trial in work.store.trials() if trial.key != key]
    card = Card.read(made.card)
    assert (card.status, card.reason) == ("over_budget", f"over budget: macs {2 * macs:,} > {2 * macs - 1:,}")
    assert not made.bundle.folder.exists()


@pytest.mark.process
def test_a_trial_of_what_has_no_mirror_image_is_refused(work: Workplace) -> None:
    wine = {"source": "sklearn", "name": "wine"}
    end = work.run(profile(1, wine, finish={"mirror": True}), "stage1_width=4", name="t")
    assert (end.code, end.err.strip().splitlines()[-1]) == (
        2,
        "trainer.finish.mirror: true is for images, which have a mirror image, not for rows; allowed: false",
    )
