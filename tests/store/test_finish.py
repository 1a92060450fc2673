"""Which trials are averaged at the end of a search, and what is said of it."""

from typing import Any

import pytest
from atelier_store.errors import InvalidInput
from atelier_store.finish import configuration
from atelier_store.layout import Store
from atelier_store.ranking import average_members, best_parent, rank, unfinished_winner
from atelier_store.records import FinishLine, Latency, Manifest
from atelier_store.spec import Spec

from tests.support.experiments import add_trial, begin, promote_best, spec
from tests.support.onnx_bundles import image_bundle


def add(store: Store, of: Spec, trial: str, accuracy: float, number: int, **more: Any) -> str:
    """A trial on the same rows as the others; more are fields of its configuration, or status and params."""
    made = image_bundle(number, metric=accuracy)
    status, params = more.pop("status", "succeeded"), more.pop("params", 10)
    config = made.fields["config"].model_copy(update={"seed": 0, **more})
    made.fields |= {"config": config, "params": params}
    return add_trial(store, of, made, trial, {"width": str(number)}, status=status)


def average(store: Store, of: Spec, accuracy: float, number: int = 99, **card: Any) -> str:
    """The average of the search's best, as it is by now, with this score."""
    members = average_members(store, of)
    config = configuration(store, members)
    made = image_bundle(number, metric=accuracy)
    made.fields |= {"config": config, "params": 10 * len(members)}  # its networks are made up: only its scores count
    return add_trial(store, of, made, f"average-{config.key}", **card)


def searched(store: Store, count: int | None = 3, **trainer: Any) -> tuple[Spec, dict[str, str]]:
    """Four trials, the last the best; their keys by name."""
    of = spec(finish={"average": count}, **trainer)
    begin(store, of)
    return of, {f"t{n}": add(store, of, f"t{n}", 0.5 + n / 10, n) for n in range(4)}


def line(store: Store, of: Spec) -> FinishLine:
    (only,) = rank(store, of).finish
    return only


def test_the_best_trials_that_have_ended_are_averaged_best_first(store: Store) -> None:
    of, keys = searched(store)
    add(store, of, "runs", 0.99, 7, status="running")
    add(store, of, "failed", 0.98, 8, status="failed")
    assert average_members(store, of) == (keys["t3"], keys["t2"], keys["t1"])


def test_without_a_count_nothing_is_averaged_and_nothing_is_said(store: Store) -> None:
    of, _ = searched(store, None)
    board = rank(store, of)
    assert average_members(store, of) == ()
    assert "finish" not in board.model_dump() and "finish" not in of.model_dump()["trainer"]


def test_a_trial_and_its_tail_count_once_as_the_better_of_them(store: Store) -> None:
    of, keys = searched(store, 2)
    tail = add(store, of, "tail", 0.9, 3, parent=keys["t3"], parent_epochs=3, tail_epochs=3)
    assert average_members(store, of) == (tail, keys["t2"])
    assert [member.epochs for member in configuration(store, (tail, keys["t2"])).members or ()] == [6, 3]


def test_an_average_is_no_member_and_gets_no_tail(store: Store) -> None:
    of, keys = searched(store)
    before = average_members(store, of)
    average(store, of, 0.95)
    assert rank(store, of).entries[0].trial.startswith("average-")
    assert average_members(store, of) == before
    assert best_parent(store, of) == keys["t3"]
    assert unfinished_winner(store, of) is None


@pytest.mark.parametrize(("params", "count"), [(40, 3), (30, 3), (29, 2), (20, 2), (19, 0)])
def test_the_worst_are_left_out_until_the_budget_holds(store: Store, params: int, count: int) -> None:
    of, keys = searched(store, budget={"params": params})
    assert average_members(store, of) == (keys["t3"], keys["t2"], keys["t1"])[:count]


def test_an_average_that_was_measured_to_be_too_slow_is_not_tried_again(store: Store) -> None:
    of, keys = searched(store, budget={"latencyMs": 0.25})
    slow = average(store, of, 0.99, status="over_budget", latency=Latency(p50_ms=0.3, p95_ms=0.4))
    assert average_members(store, of) == (keys["t3"], keys["t2"])
    tried, untried = rank(store, of).finish
    assert (tried.key, tried.kept, tried.reason) == (slow, False, "over budget: latencyMs 0.3 > 0.25")
    assert untried.reason == "not tried yet"


@pytest.mark.parametrize("status", ["paused", "stopped", "running"])
def test_a_winner_that_was_interrupted_on_its_way_from_where_it_paused_is_unfinished(store: Store, status: str) -> None:
    of, _ = searched(store, maxEpochs=9)
    best = add(store, of, "best", 0.99, 7, status=status)
    unfinished = unfinished_winner(store, of)
    assert unfinished is not None and unfinished.key == best
    assert (best_parent(store, of) == best) == (status == "paused")
    assert (best in average_members(store, of)) == (status == "paused")


def test_trials_that_halving_paused_are_averaged_as_they_are(store: Store) -> None:
    of, keys = searched(store, 2, maxEpochs=9)
    paused = add(store, of, "paused", 0.75, 7, status="paused")
    assert average_members(store, of) == (keys["t3"], paused)
    assert [member.epochs for member in configuration(store, (keys["t3"], paused)).members or ()] == [3, 3]


def test_where_too_few_are_within_the_budget_the_leaderboard_says_so(store: Store) -> None:
    of, _ = searched(store, budget={"params": 19})
    only = line(store, of)
    assert (only.trial, only.kept, only.best_trial) == (None, False, "t3")
    assert only.reason == "fewer than 2 of the best trials are within the budget together"


def test_one_trial_alone_is_not_said_to_be_over_a_budget(store: Store) -> None:
    of = spec(finish={"average": 3})
    begin(store, of)
    add(store, of, "alone", 0.5, 1)
    assert line(store, of).reason == "fewer than 2 trials have a network to average"


@pytest.mark.parametrize(
    ("accuracy", "kept", "reason"),
    [
        (0.85, True, "val_accuracy 0.85, t3 0.8: better"),
        (0.8, False, "val_accuracy 0.8, t3 0.8: equal, and of equal networks the one with fewer parameters is taken"),
        (0.75, False, "val_accuracy 0.75, t3 0.8: worse"),
    ],
)
def test_an_average_is_promoted_only_if_it_is_better_than_the_best_trial(
    store: Store, accuracy: float, kept: bool, reason: str
) -> None:
    of, keys = searched(store)
    key = average(store, of, accuracy)
    done = promote_best(store, of.experiment_name, "digits")
    assert done.promotion.key == (key if kept else keys["t3"])
    version = store.model("digits").version(done.promotion.version)
    said = line(store, of)
    assert f'"reason": "{reason}"' in version.report.read_text()
    assert (said.kept, said.reason, said.metric, said.best) == (kept, reason, accuracy, 0.8)
    assert [(one.trial, one.key, one.epochs) for one in said.members] == [(n, keys[n], 3) for n in ("t3", "t2", "t1")]


def test_a_member_with_another_network_makes_another_average(store: Store) -> None:
    of, keys = searched(store)
    before = configuration(store, average_members(store, of))
    assert before.key == configuration(store, average_members(store, of)).key
    average(store, of, 0.75)
    assert line(store, of).reason == "val_accuracy 0.75, t3 0.8: worse"
    path = store.trial(keys["t2"]).bundle.manifest
    manifest = Manifest.read(path)
    manifest.model_copy(update={"files": manifest.files | {"model.onnx": "0" * 64}}).write(path)
    assert configuration(store, tuple(member.key for member in before.members or ())).key != before.key
    of_before = rank(store, of).finish[0].reason
    assert of_before == "val_accuracy 0.75, t3 0.8: worse; of these networks as they were before they were trained on"


def test_everything_that_cannot_be_averaged_is_named(store: Store) -> None:
    of, keys = searched(store)
    other = add(store, of, "other", 0.7, 5, validation_fraction=0.5)
    assert other not in average_members(store, of)
    folded = [add(store, of, f"folded-{n}", 0.4, n, folds=3) for n in (6, 7)]
    with pytest.raises(InvalidInput) as lost:
        configuration(store, (keys["t3"], "../t0", "0" * 16))
    assert [violation.split(": ")[1] for violation in lost.value.violations] == ["../t0", "0" * 16]
    with pytest.raises(InvalidInput, match="an average is of 2 trials or more, each once"):
        configuration(store, (keys["t3"], keys["t3"]))
    with pytest.raises(InvalidInput, match=f"{other}: learnt from other data, or another split, than {keys['t3']}"):
        configuration(store, (keys["t3"], other))
    with pytest.raises(InvalidInput, match=f"{folded[1]}: has folds"):
        configuration(store, folded)
    made = average(store, of, 0.6)
    with pytest.raises(InvalidInput, match=f"{made}: is made from other networks itself"):
        configuration(store, (keys["t3"], made))
