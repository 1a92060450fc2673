"""A training with folds resumes after any batch with the same bits, and its scores are the mean over its folds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from atelier_store import out_of_fold
from atelier_store.audit import audit
from atelier_store.folds import folds
from atelier_store.records import DataDescription, Manifest, Report
from atelier_store.scores import label_scores, scores
from atelier_store.spec import Spec
from atelier_store.winners import NothingToPromote
from atelier_trainer.folds import FoldedTraining
from atelier_trainer.training import Rows, Stopped, Training

from tests.support.experiments import promote_best
from tests.support.workplace import Workplace, profile
from tests.trainer.test_training import digests, rows, saved, training

pytestmark = pytest.mark.training

COUNT = 2


def folded(tail_epochs: int | None = None) -> FoldedTraining:
    whole, all_rows = training(tail_epochs), rows()
    parts = folds(all_rows.y.numpy(), COUNT, 0)
    each = []
    for learnt, validation in parts:
        alone = training(tail_epochs)
        each.append((_on(alone, _rows(all_rows, learnt)), _rows(all_rows, validation)))
    return FoldedTraining(each, *_arguments(whole, all_rows))


def _rows(of: Rows, index: np.ndarray) -> Rows:
    return Rows(of.x[torch.from_numpy(index)], of.y[index])


def _arguments(of: Training, on: Rows) -> tuple[object, ...]:
    return of.model, of.task, of.kind, on, of.recipe, of.precision


def _on(of: Training, on: Rows) -> Training:
    return Training(of.model, of.task, of.kind, on, of.recipe, of.precision)


def weights(of: FoldedTraining) -> list[tuple[str, str]]:
    return [digests(of), *(digests(fold) for fold, _ in of.folds)]


def test_stopping_after_any_batch_and_going_on_gives_the_same_bits_and_losses() -> None:
    straight = folded()
    losses = [straight.train_epoch(lambda: False) for _ in range(2)]
    interrupted, again = folded(), []
    while interrupted.epoch < 2:
        try:
            again.append(interrupted.train_epoch(lambda: True))
        except Stopped:
            state = saved(interrupted.state_dict())
            interrupted = folded()
            interrupted.load_state_dict(state)
            assert interrupted.has_begun
    assert (weights(interrupted), again) == (weights(straight), losses)
    assert interrupted.evaluate_folds() == straight.evaluate_folds()


def test_the_network_of_all_rows_is_what_it_is_without_folds_and_scores_are_the_mean_over_the_others() -> None:
    found, alone = folded(), training()
    found.train_epoch(lambda: False)
    alone.train_epoch(lambda: False)

    scores = found.evaluate_folds()

    assert digests(found) == digests(alone)
    each = [fold.evaluate(validation)["val_loss"] for fold, validation in found.folds]
    assert scores["val_loss"] == pytest.approx(np.mean(each))
    assert len({digests(fold) for fold, _ in found.folds}) == COUNT


def test_a_tail_goes_on_from_every_network_of_its_parent() -> None:
    parent, tail = folded(), folded(tail_epochs=2)
    parent.train_epoch(lambda: False)
    tail.begin_tail(saved(parent.state_dict()))

    assert weights(tail) == weights(parent)
    assert not tail.has_begun


def test_weights_of_all_rows_that_are_not_finite_are_not_hidden_by_the_folds() -> None:
    found = folded()
    with torch.no_grad():
        next(found.model.parameters()).fill_(torch.nan)

    assert np.isnan(found.train_epoch(lambda: False))


@pytest.mark.process
def test_a_trial_with_folds_goes_on_from_its_checkpoint_to_a_bundle_of_all_rows(tmp_path: Path) -> None:
    work, data = Workplace(tmp_path), {"source": "sklearn", "name": "wine", "folds": COUNT}
    first = work.run(profile(1, data), "stage1_width=4")
    again = work.run(profile(2, data), "stage1_width=4")

    assert (first.code, again.code) == (0, 0), first.err + again.err
    assert again.out.splitlines()[0].split()[1] == first.out.split()[1]
    assert "resuming after epoch 1, batch 0" in again.err and f"of {COUNT} folds: val_accuracy " in again.err
    manifest = Manifest.read(work.trial.bundle.manifest)
    description = DataDescription.read(work.store.data(manifest.config.data_digest).description)
    assert (manifest.config.folds, manifest.provenance.epochs) == (COUNT, 2)
    assert manifest.input_statistics and manifest.input_statistics.count == description.train_rows
    assert manifest.parity.rows == description.train_rows // COUNT


@pytest.mark.process
def test_of_several_targets_with_weights_each_is_scored_by_the_mean_over_the_folds(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(60, 2)).round(3)
    rows = [f"{a},{b},{a + b},{a - b},{number + 1}" for number, (a, b) in enumerate(x)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,sum,difference,w", *rows]))
    data = {"source": "csv", "task": "regression", "target": ["sum", "difference"], "weight": "w", "folds": COUNT}
    objective = {"type": "minimize", "objectiveMetricName": "val_mae"}
    work = Workplace(tmp_path)
    asked = profile(2, data | {"files": {"train": {"path": "t.csv"}}}, {"objective": objective})

    found = work.run(asked, "stage1_width=4")

    assert found.code == 0, found.err
    manifest = Manifest.read(work.trial.bundle.manifest)
    of_targets = manifest.target_metrics or {}
    assert list(of_targets) == ["sum", "difference"]
    assert manifest.metrics["val_mae"] == pytest.approx(np.mean([of["val_mae"] for of in of_targets.values()]))


def _of_two_classes(tmp_path: Path) -> tuple[Workplace, Spec]:
    """A trial with folds over two classes, trained, and its search, which has a threshold."""
    work, data = Workplace(tmp_path), {"source": "sklearn", "name": "breast_cancer", "folds": COUNT}
    asked = profile(3, data, threshold="recall>=0.95")
    found = work.run(asked, "stage1_width=4")
    assert found.code == 0, found.err
    asked.write(work.store.experiment(asked.experiment_name).spec)
    return work, asked


@pytest.mark.process
def test_a_threshold_is_chosen_on_what_each_folds_network_answers_to_rows_that_it_has_not_seen(tmp_path: Path) -> None:
    work, asked = _of_two_classes(tmp_path)
    trained = Manifest.read(work.trial.bundle.manifest)
    kept = out_of_fold.read(work.trial.out_of_fold, trained.weights_sha256)
    assert kept is not None
    y = np.load(work.store.data(trained.config.data_digest).array("train_y"))
    parts = [validation for _, validation in folds(y, COUNT, trained.config.seed)]
    each = [scores("classification", kept.answers[rows], y[rows], "val")["val_loss"] for rows in parts]
    assert np.mean(each) == pytest.approx(trained.metrics["val_loss"], abs=1e-6)  # they are what was scored

    promoted = promote_best(work.store, asked.experiment_name, "cancer")

    (threshold,) = promoted.manifest.thresholds or ()
    labelled = kept.answers[:, 1] >= threshold.value
    assert threshold.metrics == label_scores(y == 1, labelled) and threshold.metrics["recall"] >= 0.95
    report = Report.read(work.store.model("cancer").version(promoted.promotion.version).report)
    validation = report.quality["validation"]
    assert (report.folds, validation.rows, validation.array) == (COUNT, len(y), "train_x")
    assert validation.classes and validation.classes.predicted[1] == labelled.sum()
    assert audit(work.store).mismatches == []


@pytest.mark.process
def test_a_trial_of_before_such_answers_were_kept_has_no_threshold_and_is_served_without(tmp_path: Path) -> None:
    work, asked = _of_two_classes(tmp_path)
    work.trial.out_of_fold.unlink()
    with pytest.raises(NothingToPromote, match="the folds' networks to them"):
        promote_best(work.store, asked.experiment_name, "cancer")
    plain = profile(3, {"source": "sklearn", "name": "breast_cancer", "folds": COUNT}, {"name": "plain"})
    assert work.run(plain, "stage1_width=4").code == 0
    plain.write(work.store.experiment(plain.experiment_name).spec)

    promoted = promote_best(work.store, plain.experiment_name, "cancer")

    report = Report.read(work.store.model("cancer").version(promoted.promotion.version).report)
    assert promoted.manifest.thresholds is None and set(report.quality) == {"test"}
