"""Two searches are told apart by what was asked, on what, with what, what came of it and what it cost."""

from __future__ import annotations

from typing import Any

import pytest
from atelier_store.curve import append_epoch
from atelier_store.differences import searches, subjects
from atelier_store.differences.searches import EqualCost, SearchDifferences, SharedTrial
from atelier_store.layout import Store
from atelier_store.records import Epoch, Leaderboard, TrialRecord
from atelier_store.spec import Spec

from tests.support.experiments import add_trial, begin, spec
from tests.support.onnx_bundles import ENVIRONMENT, Bundle, configured, image_bundle


@pytest.fixture
def two(store: Store) -> tuple[Spec, Spec]:
    """Two searches without trials: the second one has more epochs, and another name."""
    specs = spec("first", maxEpochs=3), spec("second", maxEpochs=4)
    for one in specs:
        begin(store, one)
    return specs


def bundle(seed: int, metric: float = 0.9, **config: Any) -> Bundle:
    """Trials of different seeds are different networks; all are trained with one seed, on the same rows."""
    return configured(image_bundle(seed, metric=metric), {"network": seed}, seed=0, **config)


def curve(store: Store, key: str, *epochs: tuple[str, float]) -> None:
    """One epoch for each minute and value."""
    for number, (minute, value) in enumerate(epochs, 1):
        metrics = {"val_accuracy": value}
        finished_at = f"2026-01-01T00:{minute}:00.000Z"
        append_epoch(
            store.trial(key).metrics, Epoch(epoch=number, metrics=metrics, seconds=2.0, finished_at=finished_at)
        )


def compared(store: Store, specs: tuple[Spec, Spec]) -> SearchDifferences:
    a, b = (subjects.find(store, one.experiment_name) for one in specs)
    assert isinstance(a, subjects.SearchSubject) and isinstance(b, subjects.SearchSubject)
    return searches.compare(store, a, b)


def named(found: SearchDifferences) -> dict[str, tuple[Any, Any]]:
    return {f"{one.part} {one.name}": (one.a, one.b) for one in found.differences}


def test_a_search_does_not_differ_from_itself(store: Store, two: tuple[Spec, Spec]) -> None:
    key = add_trial(store, two[0], bundle(1), "t", environment=ENVIRONMENT)
    curve(store, key, ("01", 0.5), ("02", 0.75))
    found = compared(store, (two[0], two[0]))
    assert (found.differences, found.restated) == ([], [])
    assert found.shared_trials == [SharedTrial(key, "t", "t")]
    assert found.at_equal_cost == [EqualCost(1, 0.5, 0.5), EqualCost(2, 0.75, 0.75)]


def test_trials_of_one_key_are_shared_under_both_names(store: Store, two: tuple[Spec, Spec]) -> None:
    key = add_trial(store, two[0], bundle(1), "trial-1")
    add_trial(store, two[0], bundle(2), "trial-2")
    TrialRecord(trial="other", params={}, key=key).write(store.experiment(two[1].experiment_name).trial("other"))
    found = compared(store, two)
    assert found.shared_trials == [SharedTrial(key, "trial-1", "other")]
    assert named(found)["cost trials"] == (2, 1)


def test_data_code_and_environment_are_what_the_trials_had(store: Store, two: tuple[Spec, Spec]) -> None:
    add_trial(store, two[0], bundle(1), "t", environment=ENVIRONMENT)
    later = ENVIRONMENT.model_copy(update={"torch": "3", "code_version": "1"})
    for seed, environment in ((2, later), (3, later.model_copy(update={"threads": 4}))):
        other = bundle(seed, data_digest="e" * 64, network_digest="m" * 64)
        add_trial(store, two[1], other, f"t{seed}", environment=environment)
    found = compared(store, two)
    parts = ("data", "code", "environment")
    assert {name: values for name, values in named(found).items() if name.split()[0] in parts} == {
        "data data_digest": ("d" * 64, "e" * 64),
        "code network_digest": ("n" * 64, "m" * 64),
        "code code_version": ("0", "1"),
        "environment torch": ("2", "3"),
        "environment threads": (1, [1, 4]),
    }
    assert not found.same_rows


def test_best_trials_and_costs_are_laid_beside_each_other(store: Store, two: tuple[Spec, Spec]) -> None:
    first = add_trial(store, two[0], bundle(1, metric=0.8), "worse")
    second = add_trial(store, two[1], bundle(2, metric=0.9), "better", params=7, status="paused")
    curve(store, first, ("01", 0.8))
    curve(store, second, ("02", 0.7), ("03", 0.9))
    found = named(compared(store, two))
    assert found["metrics best.trial"] == ("worse", "better")
    assert found["metrics best.val_accuracy"] == (0.8, 0.9)
    assert found["cost epochs"] == (1, 2)
    assert found["cost seconds"] == (2.0, 4.0)
    assert found["cost trials.paused"] == (None, 1)
    assert found["cost best.params"] == (10, 7)


def test_the_best_at_equal_cost_is_that_after_as_many_epochs_in_the_order_of_time(
    store: Store, two: tuple[Spec, Spec]
) -> None:
    one, other = (add_trial(store, two[0], bundle(seed), f"t{seed}") for seed in (1, 2))
    curve(store, one, ("01", 0.5), ("05", 0.9))
    curve(store, other, ("02", 0.6), ("03", 0.4))
    longer = add_trial(store, two[1], bundle(3), "t3")
    curve(store, longer, ("11", 0.1), ("12", 0.2), ("13", 0.3), ("14", 0.25))
    found = compared(store, two)
    assert found.same_rows
    assert found.at_equal_cost == [
        EqualCost(1, 0.5, 0.1),
        EqualCost(2, 0.6, 0.2),
        EqualCost(3, 0.6, 0.3),
        EqualCost(4, 0.9, 0.3),
    ]


def test_epochs_that_another_search_trained_on_are_not_the_cost_of_one_that_had_ended(
    store: Store, two: tuple[Spec, Spec]
) -> None:
    key = add_trial(store, two[0], bundle(1), "t")
    add_trial(store, two[1], bundle(2), "u")
    TrialRecord(trial="t", params={}, key=key).write(store.experiment(two[1].experiment_name).trial("t"))
    curve(store, key, ("01", 0.5), ("02", 0.6), ("09", 0.7), ("10", 0.8))
    assert named(compared(store, two))["cost epochs"] == (3, 4), "maxEpochs of the first is 3"
    Leaderboard(
        experiment=two[0].experiment_name,
        objective_metric_name="val_accuracy",
        entries=(),
        written_at="2026-01-01T00:05:00.000Z",
    ).write(store.experiment(two[0].experiment_name).leaderboard)
    assert named(compared(store, two))["cost epochs"] == (2, 4)


def test_searches_for_different_objectives_have_no_best_at_equal_cost(store: Store, two: tuple[Spec, Spec]) -> None:
    by_loss = spec("third", objective={"type": "minimize", "objectiveMetricName": "val_loss"})
    begin(store, by_loss)
    curve(store, add_trial(store, two[0], bundle(1), "t"), ("01", 0.5))
    curve(store, add_trial(store, by_loss, bundle(2), "t"), ("01", 0.5))
    assert compared(store, (two[0], by_loss)).at_equal_cost == []


def test_searches_that_have_trained_nothing_are_compared(store: Store, two: tuple[Spec, Spec]) -> None:
    found = compared(store, two)
    assert found.at_equal_cost == [] and found.shared_trials == []
    assert {one.part for one in found.differences} == {"spec"}
