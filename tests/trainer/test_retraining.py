"""The winner of a search trained again on the validation rows too, and how a promotion decides without its score."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from atelier_cli.search.replay import replay
from atelier_server.promotion.promote import promoter
from atelier_store.audit import audit
from atelier_store.curve import read_curve
from atelier_store.finish import retraining
from atelier_store.layout import Store
from atelier_store.promotion import Promoted
from atelier_store.ranking import rank
from atelier_store.records import Card, DataDescription, LeaderboardEntry, Manifest, Report
from atelier_store.spec import Spec

from tests.support.experiments import history_of, promote_best
from tests.support.onnx_bundles import configured, image_bundle
from tests.support.workplace import NETWORK, Workplace, profile

SPLIT = {"source": "sklearn", "name": "wine"}


def spec(rule: str | None = "always") -> Spec:
    """A search whose trial is hardly trained, so that its tail is surely better."""
    return profile(1, SPLIT, tailEpochs=3, finish={"retrain": rule})


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    work = Workplace(tmp_path_factory.mktemp("searched"))
    for name, trial in (("t", ("stage1_width=4", "lr=0.01")), (None, ("--finish",))):
        end = work.run(spec(), *trial, name=name)
        assert end.code == 0, end.err
    return work


@pytest.fixture
def store(searched: Workplace, tmp_path: Path) -> Store:
    """A copy of what that search left."""
    shutil.copytree(searched.store.root, tmp_path / "store")
    return Store(tmp_path / "store")


def entries(store: Store) -> dict[str, LeaderboardEntry]:
    return {entry.trial: entry for entry in rank(store, spec()).entries}


def manifest_of(store: Store, entry: LeaderboardEntry) -> Manifest:
    return Manifest.read(store.trial(str(entry.key)).bundle.manifest)


def promoted(store: Store, rule: str) -> Promoted:
    spec(rule).write(store.experiment(spec().experiment_name).spec)
    return promote_best(store, spec().experiment_name, "wine")


@pytest.mark.process
def test_the_winner_is_trained_again_with_its_schedule_on_all_rows_and_has_no_rank(searched: Workplace) -> None:
    found = entries(searched.store)
    best, retrained = (found[name] for name in ("tail", next(one for one in found if one.startswith("tail-"))))
    of, again = manifest_of(searched.store, best), manifest_of(searched.store, retrained)
    assert best.rank == 1
    assert (retrained.rank, retrained.metric, retrained.status) == (None, None, "succeeded")
    assert retrained.reason == "not measurable: it was retrained on the validation rows too"
    assert [config.key for config in retraining(of)] == [again.config.parent, again.config.key]
    assert (again.config.params, again.config.parent_epochs, again.config.tail_epochs) == (of.config.params, 1, 3)
    description = DataDescription.read(searched.store.data(of.config.data_digest).description)
    assert of.input_statistics and again.input_statistics
    assert of.input_statistics.count < again.input_statistics.count == description.train_rows
    assert set(again.metrics) == {"train_loss"}
    assert [set(epoch.metrics) for epoch in read_curve(searched.store.trial(str(retrained.key)).metrics)] == [
        {"train_loss"}
    ] * 3
    assert audit(searched.store).mismatches == []


@pytest.mark.process
def test_finishing_again_keeps_what_was_retrained(searched: Workplace) -> None:
    before = {trial.key: trial.card.read_bytes() for trial in searched.store.trials()}
    assert searched.run(spec(), "--finish", name=None).code == 0
    assert {trial.key: trial.card.read_bytes() for trial in searched.store.trials()} == before


@pytest.mark.process
def test_a_replay_retrains_it_to_the_same_weights(searched: Workplace, tmp_path: Path) -> None:
    found = entries(searched.store)
    key = next(entry.key for trial, entry in found.items() if trial.startswith("tail-"))
    assert replay(searched.store, str(key), Store(tmp_path)).different == []


@pytest.mark.process
def test_always_puts_it_in_the_winners_place_without_a_value(store: Store) -> None:
    done = promoted(store, "always")
    assert done.promotion.trial.startswith("tail-")
    assert (done.promotion.metric, done.manifest.config.retrained_epochs) == (None, 1)
    assert done.promotion.test_metrics
    assert done.decision and (done.decision.comparison, done.decision.test_looks) == (None, 0)
    report = Report.read(store.model("wine").version(done.promotion.version).report)
    (line,) = report.finish
    assert (line.what, line.kept, line.best_trial) == ("retraining", True, "tail")
    assert report.chosen == {"stage1_width": "4", "lr": "0.01"}
    assert (set(report.quality), report.shortfall) == ({"test"}, None)
    assert "not measurable, since it was retrained" in history_of(store, "wine")[-1].reason
    assert audit(store).mismatches == []


@pytest.mark.process
def test_never_worse_decides_by_the_test_rows_and_counts_the_look(store: Store) -> None:
    done = promoted(store, "neverWorse")
    assert done.leaderboard and done.decision
    (line,) = done.leaderboard.finish
    values = []
    for trial in (line.trial, "tail"):
        paths = store.trial(str(entries(store)[str(trial)].key)).bundle
        other = promoter(store.model("other"))
        answered = other.answer(paths, Manifest.read(paths.manifest), "test")
        assert answered
        values.append(float((answered.answers.argmax(1) == answered.truth).mean()))
    assert line.kept == (values[0] >= values[1]) == (done.manifest.config.retrained_epochs is not None)
    assert line.reason.endswith("not worse" if line.kept else ": worse")
    assert done.decision.test_looks == 1


@pytest.mark.process
def test_a_served_version_and_what_was_retrained_meet_on_the_test_rows_alone(store: Store) -> None:
    name = spec().experiment_name
    promoter(store.model("wine")).trial(name, "tail")
    spec("always").write(store.experiment(name).spec)
    done = promoter(store.model("wine")).best(name, "neverWorse")
    assert done.decision and done.decision.comparison
    assert (done.decision.comparison.rows, done.decision.comparison.metric_name) == ("test", "test_accuracy")
    assert done.decision.outcome in ("promoted", "worse")


@pytest.mark.process
def test_what_was_retrained_to_no_whole_bundle_leaves_the_winner_in_its_place(store: Store) -> None:
    key = next(entry.key for trial, entry in entries(store).items() if trial.startswith("tail-"))
    network = store.trial(str(key)).bundle.network
    network.write_bytes(network.read_bytes()[:-1])
    done = promoted(store, "always")
    assert done.promotion.trial == "tail"
    assert done.leaderboard
    assert "model.onnx" in done.leaderboard.finish[0].reason


def test_of_a_trial_that_keeps_its_best_weights_so_many_epochs_are_trained_again() -> None:
    fields = configured(image_bundle(1), {}).fields
    provenance = fields["provenance"].model_copy(update={"epochs": 9, "best_epoch": 4})
    manifest = Manifest.model_validate({**_dumped(fields), "provenance": provenance.model_dump(), "files": {}})
    (config,) = retraining(manifest)
    assert (config.retrained_epochs, config.keep_weights) == (4, None)
    assert config.key != manifest.config.key


def _dumped(fields: dict[str, object]) -> dict[str, object]:
    return {name: value.model_dump() if hasattr(value, "model_dump") else value for name, value in fields.items()}


@pytest.mark.process
def test_an_average_that_is_the_best_is_not_retrained_and_the_leaderboard_says_so(work: Workplace) -> None:
    search = profile(1, finish={"average": 2, "retrain": "always"})
    for name, lr in {"a": "lr=0.01", "b": "lr=0.008"}.items():
        assert work.run(search, *NETWORK, lr, name=name).code == 0
    assert work.run(search, "--finish", name=None).code == 0
    board = rank(work.store, search)
    lines = {line.what: line for line in board.finish}
    is_best = board.entries[0].trial.startswith("average-")
    expected = "the best is an average" if is_best else "not measurable"
    assert expected in lines["retraining"].reason
    cards = [Card.read(trial.card) for trial in work.store.trials()]
    assert all(card.status == "succeeded" for card in cards)
