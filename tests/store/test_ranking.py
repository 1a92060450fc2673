"""Which trial is the best, and why the others are not ranked."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from atelier_server.promotion.promote import run
from atelier_store.layout import Store
from atelier_store.ranking import best_parent, rank, rule
from atelier_store.records import Card, Latency, TrialRecord
from atelier_store.sealed import read_document
from atelier_store.spec import OtherObjective, Spec

from tests.support.experiments import add_baselines, add_trial, begin, spec
from tests.support.onnx_bundles import image_bundle


def searching_for(metric: str, type: str = "maximize", **trainer: Any) -> Spec:
    of = spec(**trainer)
    objective = of.experiment.objective.model_copy(update={"type": type, "objective_metric_name": metric})
    return of.model_copy(update={"experiment": of.experiment.model_copy(update={"objective": objective})})


def add(
    store: Store,
    of: Spec,
    seed: int,
    trial: str,
    params: int = 10,
    card: dict[str, Any] | None = None,
    **metrics: float,
) -> str:
    bundle = image_bundle(seed)
    bundle.fields |= {"params": params, "metrics": {"val_accuracy": 0.5, **metrics}}
    return add_trial(store, of, bundle, trial, **(card or {}))


def ranked(store: Store, of: Spec) -> list[str]:
    return [entry.trial for entry in rank(store, of).entries if entry.rank is not None]


def reasons(store: Store, of: Spec) -> dict[str, str | None]:
    return {entry.trial: entry.reason for entry in rank(store, of).entries if entry.rank is None}


def test_equal_scores_rank_by_fewer_parameters_then_by_loss_and_an_unknown_loss_is_the_worst(store: Store) -> None:
    of = spec()
    begin(store, of)
    add(store, of, 1, "large", params=30, val_loss=0.1)
    add(store, of, 2, "lossy", params=20, val_loss=0.3)
    add(store, of, 3, "unknown", params=20)
    add(store, of, 4, "best", params=20, val_loss=0.2)
    add(store, of, 5, "worse", params=1, val_accuracy=0.4, val_loss=0.0)
    assert ranked(store, of) == ["best", "lossy", "unknown", "large", "worse"]


def test_several_objectives_are_on_the_leaderboard_with_their_front_and_choose_the_winner(store: Store) -> None:
    of = spec()
    several = {"objectives": (OtherObjective(metric="params"),), "tolerance": 0.01}
    of = of.model_copy(update={"experiment": of.experiment.model_copy(update=several)})
    begin(store, of)
    add(store, of, 1, "accurate", params=30, val_accuracy=0.9)
    add(store, of, 2, "nearly", params=20, val_accuracy=0.895)
    add(store, of, 3, "small", params=10, val_accuracy=0.6)
    add(store, of, 4, "beaten", params=25, val_accuracy=0.7)
    board = rank(store, of)
    assert [(entry.trial, entry.on_front) for entry in board.entries] == [
        ("nearly", True),
        ("accurate", True),
        ("beaten", False),
        ("small", True),
    ]
    assert board.entries[0].objectives == {"val_accuracy": 0.895, "params": 20}
    assert rule(of).startswith("of those within 0.01 of the best val_accuracy, minimize params; highest")


def test_baselines_stand_beside_the_trials_by_the_same_objective_best_first(store: Store) -> None:
    of = searching_for("val_loss", "minimize")
    begin(store, of)
    add(store, of, 1, "only", val_loss=0.5)
    assert "baselines" not in rank(store, of).model_dump()
    digest = image_bundle(1).fields["config"].data_digest
    add_baselines(store, of, digest, majority={"val_loss": 0.9, "val_accuracy": 0.4}, trees={"val_loss": 0.2}, odd={})
    board = rank(store, of)
    assert [(score.name, score.metric) for score in board.baselines] == [("trees", 0.2), ("majority", 0.9)]
    assert [entry.trial for entry in board.entries] == ["only"]


def test_the_smallest_value_is_the_best_where_it_is_minimized(store: Store) -> None:
    of = searching_for("val_loss", "minimize")
    begin(store, of)
    for seed, loss in enumerate((0.3, 0.1, -2.0)):
        add(store, of, seed, f"loss{loss}", val_loss=loss)
    assert ranked(store, of) == ["loss-2.0", "loss0.1", "loss0.3"]


def test_a_trial_ranks_by_the_weights_in_its_bundle_and_not_by_its_best_epoch(store: Store) -> None:
    of = spec()
    begin(store, of)
    add(store, of, 1, "steady", val_accuracy=0.8)
    add(store, of, 2, "fallen", val_accuracy=0.7, card={"status": "paused"})
    card = store.trial(image_bundle(2).fields["config"].key).card
    Card.read(card).model_copy(update={"metric": 0.95, "best_epoch": 1}).write(card)
    assert [(e.trial, e.metric, e.status) for e in rank(store, of).entries] == [
        ("steady", 0.8, "succeeded"),
        ("fallen", 0.7, "paused"),
    ]


@pytest.mark.parametrize("status", ["running", "paused", "stopped"])
def test_a_trial_that_is_not_over_ranks_with_the_bundle_it_left(store: Store, status: str) -> None:
    of = spec()
    begin(store, of)
    add(store, of, 1, "t", card={"status": status})
    assert ranked(store, of) == ["t"]


def test_a_trial_suggested_twice_is_listed_once_under_its_first_name(store: Store) -> None:
    of = spec()
    begin(store, of)
    key = add(store, of, 1, "b")
    paths = store.experiment(of.experiment_name)
    TrialRecord(trial="a", number=7, params={}, key=key).write(paths.trial("a"))
    TrialRecord(trial="b", number=3, params={}, key=key).write(paths.trial("b"))
    assert [entry.trial for entry in rank(store, of).entries] == ["b"]


@pytest.mark.parametrize(
    ("card", "budget", "reason"),
    [
        ({"params": 11}, {"params": 10}, "over budget: params 11 > 10"),
        ({"macs": 11}, {"macs": 10}, "over budget: macs 11 > 10"),
        ({"latency": Latency(p50_ms=2.5, p95_ms=3)}, {"latencyMs": 2}, "over budget: latencyMs 2.5 > 2.0"),
        ({"status": "failed", "reason": "diverged: epoch 2"}, {}, "diverged: epoch 2"),
    ],
)
def test_a_trial_over_budget_or_failed_is_not_ranked(
    store: Store, card: dict[str, Any], budget: dict[str, Any], reason: str
) -> None:
    of = spec(budget=budget)
    begin(store, of)
    add(store, of, 1, "t", card=card)
    assert reasons(store, of) == {"t": reason}


def no_card(store: Store, key: str) -> None:
    store.trial(key).card.unlink()


def torn_card(store: Store, key: str) -> None:
    store.trial(key).card.write_bytes(store.trial(key).card.read_bytes()[:99])


def no_bundle(store: Store, key: str) -> None:
    shutil.rmtree(store.trial(key).bundle.folder)


def no_manifest(store: Store, key: str) -> None:
    store.trial(key).bundle.manifest.unlink()


def torn_manifest(store: Store, key: str) -> None:
    store.trial(key).bundle.manifest.write_text("{")


def no_network(store: Store, key: str) -> None:
    store.trial(key).bundle.network.unlink()


def changed_reference(store: Store, key: str) -> None:
    store.trial(key).bundle.reference.write_bytes(b"?")


def of_another(store: Store, key: str) -> None:
    no_bundle(store, key)
    image_bundle(9).write(store.trial(key).bundle.folder)


def not_finite(store: Store, key: str) -> None:
    path = store.trial(key).bundle.manifest
    path.write_text(read_document(path.read_bytes()).decode().replace('"val_accuracy": 0.5', '"val_accuracy": NaN'))


def altered(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))


def altered_card(store: Store, key: str) -> None:
    altered(store.trial(key).card, b'"params": 10', b'"params": 1')


def altered_metric(store: Store, key: str) -> None:
    altered(store.trial(key).bundle.manifest, b'"val_accuracy": 0.5', b'"val_accuracy": 0.9')


def altered_record(store: Store, key: str) -> None:
    altered(store.experiments()[0].trial("t"), b'"number": null', b'"number": 3')


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (altered_card, "card.json: its sha256 is not that of its content"),
        (altered_metric, "manifest.json: its sha256 is not that of its content"),
        (altered_record, "trials/t.json: its sha256 is not that of its content"),
        (no_card, "not started"),
        (torn_card, "not a whole Card"),
        (no_bundle, "no bundle yet"),
        (no_manifest, "has no manifest.json"),
        (torn_manifest, "not a whole Manifest"),
        (no_network, "model.onnx: cannot be read: No such file"),
        (changed_reference, "reference.npz: its sha256 is"),
        (of_another, "its bundle is of trial"),
        (not_finite, "metrics.val_accuracy: Input should be a finite number"),
    ],
)
def test_what_cannot_be_promoted_is_not_ranked_and_says_why(
    store: Store, caplog: pytest.LogCaptureFixture, damage: Any, reason: str
) -> None:
    of = spec()
    begin(store, of)
    damage(store, add(store, of, 1, "t"))
    assert reason in (reasons(store, of)["t"] or "")
    assert run(store, of.experiment_name, "digits") == 1
    assert [reason in message for message in caplog.messages] == [True]


def test_a_bundle_without_the_objective_is_not_ranked_and_shows_no_value_of_another(store: Store) -> None:
    of = searching_for("val_macro_f1")
    begin(store, of)
    add(store, of, 1, "t")
    assert reasons(store, of) == {"t": "its bundle has no val_macro_f1"}
    assert rank(store, of).entries[0].metric is None


def test_a_suggestion_that_came_to_no_trial_shows_its_error_each_time(store: Store, tmp_path: Path) -> None:
    of = spec()
    begin(store, of)
    for name in ("t", "u"):
        TrialRecord(trial=name, params={}, key=None, error="depth: 9 is too much").write(
            store.experiment(of.experiment_name).trial(name)
        )
    assert reasons(store, of) == {"t": "depth: 9 is too much", "u": "depth: 9 is too much"}
    assert {entry.status for entry in rank(store, of).entries} == {"rejected"}


def test_the_best_parent_rests_and_is_no_tail(store: Store) -> None:
    of = spec()
    begin(store, of)
    assert best_parent(store, of) is None
    for seed, (status, accuracy) in enumerate(
        {"running": 0.99, "stopped": 0.98, "failed": 0.97, "paused": 0.8, "succeeded": 0.7}.items()
    ):
        add(store, of, seed, status, val_accuracy=accuracy, card={"status": status})
    expected = image_bundle(3).fields["config"].key
    assert best_parent(store, of) == expected
    tail = image_bundle(9, metric=1.0)
    tail.fields["config"] = tail.fields["config"].model_copy(
        update={"parent": expected, "parent_epochs": 3, "tail_epochs": 2}
    )
    add_trial(store, of, tail, "tail")
    assert rank(store, of).entries[0].trial == "tail"
    assert best_parent(store, of) == expected


def test_a_trial_whose_configuration_is_torn_is_no_parent(store: Store) -> None:
    of = spec()
    begin(store, of)
    best, second = add(store, of, 1, "best", val_accuracy=0.9), add(store, of, 2, "second", val_accuracy=0.8)
    store.trial(best).config.write_text("{")
    assert best_parent(store, of) == second
