"""Networks joined into one that answers their mean, and the average that a search tries at its end."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from atelier_server.models.verification import verify
from atelier_store.audit import audit
from atelier_store.columns import inputs as columns_inputs
from atelier_store.exit_codes import ExitCode
from atelier_store.files import sha256_file
from atelier_store.layout import Store
from atelier_store.ranking import rank
from atelier_store.records import Card, DataDescription, Manifest, TrialRecord
from atelier_trainer.average import join
from atelier_trainer.export import session
from atelier_trial import data
from onnx import TensorProto, helper

from tests.support.onnx_bundles import image_bundle, linear, outputs_of
from tests.support.workplace import NETWORK, Workplace, profile


def network(seed: int, wide: int = 8) -> bytes:
    made = image_bundle(seed, wide=wide).network
    assert isinstance(made, onnx.ModelProto)
    return made.SerializeToString()


@pytest.mark.parametrize("rows", [1, 5])
def test_a_joined_network_answers_the_mean_of_what_its_members_answer(rows: int) -> None:
    networks = [network(seed) for seed in range(3)]
    given = {"input": np.random.default_rng(0).integers(0, 256, (rows, 8, 8)).astype(np.uint8)}
    expected = np.mean([outputs_of(one, given) for one in networks], 0)
    np.testing.assert_allclose(outputs_of(join(networks), given), expected, rtol=1e-6)


def test_names_inside_are_apart_from_those_of_inputs() -> None:
    def same(name: str) -> bytes:
        tensors = [helper.make_tensor_value_info(one, TensorProto.FLOAT, ["n", 1]) for one in (name, "prediction")]
        graph = helper.make_graph([helper.make_node("Neg", [name], ["prediction"])], "g", tensors[:1], tensors[1:])
        opset = helper.make_opsetid("", 17)
        return helper.make_model(graph, opset_imports=[opset], ir_version=10).SerializeToString()

    given = {"member0/x": np.ones((2, 1), np.float32)}
    np.testing.assert_array_equal(outputs_of(join([same("member0/x")] * 2), given), -np.ones((2, 1)))


def test_networks_that_are_asked_or_answer_otherwise_are_not_joined() -> None:
    with pytest.raises(ValueError, match="different inputs or outputs"):
        join([network(0), network(1, wide=9)])
    other = linear(TensorProto.UINT8, (8, 8), np.ones((64, 3)), "probabilities", softmax=True)
    made = onnx.load_from_string(network(0))
    del made.opset_import[:]
    made.opset_import.append(helper.make_opsetid("", 18))
    assert [one.name for one in other.graph.output] == [one.name for one in made.graph.output]
    with pytest.raises(ValueError, match="different versions of operators"):
        join([network(0), made.SerializeToString()])


def keys_of(store: Store) -> dict[str, str]:
    records = [TrialRecord.read(path) for of in store.experiments() for path in of.trials.glob("*.json")]
    return {record.trial: record.key or "" for record in records}


def averages(store: Store) -> list[str]:
    return [key for trial, key in keys_of(store).items() if trial.startswith("average-")]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """Three trials of the digits, and the average of the best two."""
    work = Workplace(tmp_path_factory.mktemp("searched"))
    for name, lr in {"first": "lr=0.01", "second": "lr=0.008", "third": "lr=0.00001"}.items():
        end = work.run(profile(2), *NETWORK, lr, name=name)
        assert end.code == 0, end.err
    end = work.run(profile(2, finish={"average": 2}), "--finish", name=None)
    assert (end.code, end.out) == (0, ""), end.err
    return work


@pytest.mark.process
def test_a_search_ends_with_the_average_of_its_best(searched: Workplace) -> None:
    store, keys = searched.store, keys_of(searched.store)
    (key,) = averages(store)
    files = store.trial(key).bundle
    manifest = Manifest.read(files.manifest)
    assert verify(files, manifest) == []
    assert audit(store).mismatches == []
    members = [Manifest.read(store.trial(member.key).bundle.manifest) for member in manifest.config.members or ()]
    assert {member.config.key for member in members} == {keys["first"], keys["second"]}
    assert (manifest.params, manifest.macs) == tuple(sum(getattr(m, of) for m in members) for of in ("params", "macs"))
    assert manifest.provenance.parents == tuple(member.config.key for member in members)
    assert manifest.parity.argmax_equal and manifest.parity.max_abs_difference < 1e-5
    assert manifest.metrics["val_loss"] < max(member.metrics["val_loss"] for member in members)
    (line,) = rank(store, profile(2, finish={"average": 2})).finish
    assert (line.key, line.metric) == (key, manifest.metrics["val_accuracy"])
    assert line.kept == (manifest.metrics["val_accuracy"] > max(m.metrics["val_accuracy"] for m in members))


@pytest.mark.process
def test_its_score_is_that_of_the_mean_on_the_validation_rows(searched: Workplace) -> None:
    (key,) = averages(searched.store)
    manifest = Manifest.read(searched.store.trial(key).bundle.manifest)
    description = DataDescription.read(searched.store.data(manifest.config.data_digest).description)
    arrays = data.load(searched.store, description)
    ((_, rows),) = data.parts(arrays, description, 0.2, None, 0).splits
    bundles = [searched.store.trial(member.key).bundle for member in manifest.config.members or ()]
    answers = [
        session(files.network.read_bytes(), 1).run(None, {"input": arrays.train_x[rows]})[0] for files in bundles
    ]
    right = np.mean(answers, 0).argmax(1) == arrays.train_y[rows]
    assert manifest.metrics["val_accuracy"] == pytest.approx(right.mean())


@pytest.mark.process
def test_finishing_again_keeps_the_average_as_it_is(searched: Workplace) -> None:
    before = {trial.key: trial.card.read_bytes() for trial in searched.store.trials()}
    end = searched.run(profile(2, finish={"average": 2}), "--finish", name=None)
    assert end.code == 0, end.err
    assert {trial.key: trial.card.read_bytes() for trial in searched.store.trials()} == before


@pytest.mark.process
def test_an_average_that_is_measured_too_slow_is_over_budget_and_has_no_bundle(searched: Workplace) -> None:
    of, keys = profile(2, budget={"latencyMs": 1e-6}), keys_of(searched.store)
    end = searched.run(of, *(f"--average-of={keys[name]}" for name in ("second", "first", "third")), name="slow")
    assert end.code == 0, end.err
    key = keys_of(searched.store)["slow"]
    card = Card.read(searched.store.trial(key).card)
    assert card.status == "over_budget" and (card.reason or "").startswith("over budget: latencyMs")
    assert not searched.store.trial(key).bundle.folder.exists()


@pytest.mark.process
def test_a_member_that_changes_meanwhile_fails_the_average(searched: Workplace, tmp_path: Path) -> None:
    keys = keys_of(searched.store)
    files = searched.store.trial(keys["third"]).bundle
    content = files.network.read_bytes()
    files.network.write_bytes(content + b" ")
    try:
        members = [f"--average-of={keys[name]}" for name in ("second", "third")]
        end = searched.run(profile(2), *members, name="torn")
    finally:
        files.network.write_bytes(content)
    assert end.code == ExitCode.FAILED
    assert f"the network of {keys['third']} has changed since it was chosen" in end.err


@pytest.mark.process
def test_an_average_that_fails_leaves_the_search_finished(work: Workplace) -> None:
    for name, lr in {"first": "lr=0.01", "second": "lr=0.008"}.items():
        assert work.run(profile(1), *NETWORK, lr, name=name).code == 0
    files = work.store.trial(keys_of(work.store)["second"]).bundle
    files.network.write_bytes(b"no network")
    manifest = Manifest.read(files.manifest)
    digests = manifest.files | {files.network.name: sha256_file(files.network)}
    manifest.model_copy(update={"files": digests}).write(files.manifest)
    end = work.run(profile(1, finish={"average": 2}), "--finish", name=None)
    assert end.code == 0, end.err
    assert "the average failed: " in end.err
    (line,) = rank(work.store, profile(1, finish={"average": 2})).finish
    assert (line.kept, line.reason) == (False, "failed; the leaderboard says why")


@pytest.mark.process
def test_numbers_words_and_gaps_of_a_table_are_averaged(work: Workplace) -> None:
    lines = [
        f"{n % 7 / 2},{'red' if n % 3 else 'blue'},{'' if n % 5 == 0 else n % 4},{n % 7 + n % 3}" for n in range(120)
    ]
    (work.folder / "rows.csv").write_text("\n".join(["size,colour,grade,price", *lines]) + "\n")
    source = {"source": "table", "task": "regression", "target": "price", "files": {"train": {"path": "rows.csv"}}}
    objective = {"objective": {"type": "minimize", "objectiveMetricName": "val_rmse"}}
    for name, lr in {"first": "lr=0.01", "second": "lr=0.02"}.items():
        end = work.run(profile(2, source, objective), "stem_width=8", "stage1_width=8", "batch=16", lr, name=name)
        assert end.code == 0, end.err
    end = work.run(profile(2, source, objective, finish={"average": 2}), "--finish", name=None)
    assert end.code == 0, end.err
    (key,) = averages(work.store)
    files = work.store.trial(key).bundle
    manifest = Manifest.read(files.manifest)
    assert verify(files, manifest) == []
    assert manifest.columns is not None
    x = data.load(work.store, DataDescription.read(work.store.data(manifest.config.data_digest).description)).train_x
    given = columns_inputs(x, manifest.columns)
    members = [work.store.trial(member.key).bundle.network.read_bytes() for member in manifest.config.members or ()]
    expected = np.mean([outputs_of(member, given) for member in members], 0)
    np.testing.assert_allclose(outputs_of(files.network.read_bytes(), given), expected, rtol=1e-5)
