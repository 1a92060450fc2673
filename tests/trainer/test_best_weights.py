"""A trial that keeps the weights of its best epoch: what it is worth, and that nothing that stops it changes them.

The highest loss counts as the best here, so that it is surely not that of the last epoch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from atelier_cli.search.replay import replay
from atelier_server.models.verification import verify
from atelier_store.audit import audit
from atelier_store.curve import read_curve
from atelier_store.layout import Store
from atelier_store.ranking import rank
from atelier_store.records import Card, Manifest
from atelier_store.spec import Spec

from tests.support.workplace import NETWORK, Workplace, ended, profile

pytestmark = pytest.mark.process

HIGHEST = {"objective": {"type": "maximize", "objectiveMetricName": "val_loss"}}


def best(epochs: int, **trainer: Any) -> Spec:
    return profile(epochs, experiment=HIGHEST, keepWeights="best", **trainer)


def printed(out: str) -> list[str]:
    return [line.split("=")[1] for line in out.splitlines()]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A trial of three epochs, of which the first is the best."""
    work = Workplace(tmp_path_factory.mktemp("kept"))
    end = work.run(best(3), *NETWORK)
    assert end.code == 0, end.err
    (work.folder / "printed").write_text(end.out)
    return work


def test_its_value_everywhere_is_that_of_the_best_epochs_weights(kept: Workplace, work: Workplace) -> None:
    curve, card, manifest = read_curve(kept.trial.metrics), kept.card, Manifest.read(kept.trial.bundle.manifest)
    first = curve[0].metrics
    assert first["val_loss"] > curve[-1].metrics["val_loss"]
    assert (card.epochs, card.best_epoch, card.metric, card.metrics) == (3, 1, first["val_loss"], first)
    assert (manifest.provenance.epochs, manifest.provenance.best_epoch, manifest.metrics) == (3, 1, first)
    (entry,) = rank(kept.store, best(3)).entries
    assert (entry.metric, entry.epochs, entry.best_epoch) == (first["val_loss"], 3, 1)
    assert printed((kept.folder / "printed").read_text()) == [f"{first['val_loss']:.6g}"] * 3
    assert (verify(kept.trial.bundle, manifest), audit(kept.store).mismatches) == ([], [])
    alone = work.run(profile(1), *NETWORK)
    assert work.card.weights_sha256 == card.weights_sha256, alone.err
    assert work.trial.key != kept.trial.key


def test_a_trial_struck_after_its_best_epoch_and_paused_ends_with_the_same_weights(
    kept: Workplace, work: Workplace
) -> None:
    process = work.start(best(3), *NETWORK)
    assert process.stdout and process.stdout.readline()
    process.kill()
    ended(process)
    paused = work.run(best(3), *NETWORK, "--bar", "2=never")
    assert (work.card.status, work.card.epochs, work.card.weights_sha256) == ("paused", 2, kept.card.weights_sha256)
    assert Manifest.read(work.trial.bundle.manifest).provenance.best_epoch == 1, paused.err
    end = work.run(best(3), *NETWORK, "--bar", "none")
    assert "resuming after epoch 2" in end.err
    assert printed(end.out) == printed((kept.folder / "printed").read_text())
    assert work.card.files["model/model.onnx"] == kept.card.files["model/model.onnx"]


def test_it_goes_on_from_its_last_epoch_and_so_does_its_tail(kept: Workplace, work: Workplace) -> None:
    last = work.run(profile(3), *NETWORK)
    tail = work.run(profile(3, tailEpochs=1), "--tail-of", work.trial.key, name="tail")
    kept_tail = kept.run(best(3, tailEpochs=1), "--tail-of", kept.trial.key, name="tail")
    assert (last.code, tail.code, kept_tail.code) == (0, 0, 0), kept_tail.err
    digests = [
        {Card.read(trial.card).weights_sha256 for trial in of.store.trials() if Card.read(trial.card).epochs == 1}
        for of in (work, kept)
    ]
    assert digests[0] == digests[1]
    assert len(digests[0]) == 1


def test_a_replay_comes_to_the_best_epochs_weights(kept: Workplace, tmp_path: Path) -> None:
    (key,) = [trial.key for trial in kept.store.trials() if Card.read(trial.card).epochs == 3]
    assert replay(kept.store, key, Store(tmp_path)).different == []


def test_with_folds_all_networks_go_back_to_the_best_epoch(work: Workplace, tmp_path: Path) -> None:
    data = {"source": "sklearn", "name": "wine", "folds": 2}
    search = {"objective": {"type": "maximize", "objectiveMetricName": "val_loss"}}
    other = Workplace(tmp_path / "one")
    other.folder.mkdir()
    for of, spec in ((work, profile(3, data, search, keepWeights="best")), (other, profile(1, data, search))):
        end = of.run(spec, "stage1_width=4", "lr=0.01")
        assert end.code == 0, end.err
    assert work.card.best_epoch == 1
    assert work.card.weights_sha256 == other.card.weights_sha256
    assert work.trial.out_of_fold.exists()
    digests = [of.card.files[of.trial.out_of_fold.name] for of in (work, other)]
    assert digests[0] == digests[1]
