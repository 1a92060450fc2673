"""Of several objectives: which networks none is better than, which go on first, and which one is chosen."""

from typing import Any

import pytest
from atelier_store.objectives import Point, best_first, choice, front, missed_goals, others, point, values
from atelier_store.spec import Experiment
from atelier_store.trial_rows import BundleRow
from hypothesis import given
from hypothesis import strategies as st

POINTS = st.dictionaries(st.integers(), st.tuples(*[st.sampled_from([0.0, 1.0, 2.0, 3.0])] * 3), max_size=12)


def experiment(*objectives: dict[str, Any], tolerance: float = 0) -> Experiment:
    counts = {"max_trial_count": 9, "max_failed_trial_count": 0}
    return Experiment(name="tests", parameters=(), objectives=objectives, tolerance=tolerance, **counts)


def bundle(accuracy: float, params: int = 10, milliseconds: float = 1.0, size: int | None = 99) -> BundleRow:
    metrics = {"val_accuracy": accuracy, "val_ece": 0.1}
    return BundleRow("key", None, None, "data", metrics, 3, params, 20, milliseconds, "net", size)


@given(POINTS)
def test_the_front_is_what_no_other_is_better_than(points: dict[int, Point]) -> None:
    def dominates(a: Point, b: Point) -> bool:
        return a != b and all(one <= other for one, other in zip(a, b, strict=True))

    assert front(points) == {n for n, p in points.items() if not any(dominates(o, p) for o in points.values())}


@given(POINTS)
def test_the_first_of_all_are_taken_front_by_front(points: dict[int, Point]) -> None:
    order = best_first(points, len(points))
    assert sorted(order) == sorted(points)
    assert set(order[: len(front(points))]) == front(points)
    assert best_first(points, len(points) // 2) == order[: len(points) // 2]


def test_a_few_of_a_front_reach_from_one_end_to_the_other() -> None:
    line = {n: (float(n), float(9 - n)) for n in range(10)}
    assert best_first(line, 2) == [0, 9]
    assert best_first(line, 3)[2] in (4, 5)


def test_values_are_metrics_and_costs_and_turned_so_that_less_is_better() -> None:
    of = experiment({"metric": "latencyMs"}, {"metric": "onnxBytes"}, {"metric": "val_auc", "type": "maximize"})
    known = values(of, bundle(0.9))
    assert known == {"val_accuracy": 0.9, "latencyMs": 1.0, "onnxBytes": 99}
    assert point(of, known) == (-0.9, 1.0, 99, float("inf"))
    assert others(of, bundle(0.9), {"val_auc": 0.7}) == (1.0, 99, 0.7)
    assert others(of, None, {}) == ()


def chosen(of: Experiment, *bundles: BundleRow) -> list[int]:
    known = {number: values(of, one) for number, one in enumerate(bundles)}
    return sorted(known, key=choice(of, known))


@pytest.mark.parametrize(
    ("tolerance", "order"),
    [(0.0, [0, 1, 2, 3]), (0.005, [1, 0, 2, 3]), (0.02, [2, 1, 0, 3])],
)
def test_of_networks_within_the_tolerance_the_cheapest_is_chosen(tolerance: float, order: list[int]) -> None:
    of = experiment({"metric": "params"}, tolerance=tolerance)
    assert chosen(of, bundle(0.98, 30), bundle(0.975, 20), bundle(0.96, 10), bundle(0.9, 1)) == order


def test_a_network_that_misses_a_goal_is_chosen_after_those_that_miss_none() -> None:
    of = experiment({"metric": "latencyMs", "goal": 2}, {"metric": "params"}, tolerance=0.01)
    fast, slow, small = bundle(0.9, 30, 2.0), bundle(0.99, 30, 2.1), bundle(0.895, 10, 1.9)
    assert chosen(of, fast, slow, small) == [2, 0, 1]  # within the tolerance the first of the others decides
    assert missed_goals(of, values(of, slow)) == ["latencyMs 2.1, goal 2"]
    assert missed_goals(of, values(of, fast)) == []


def test_one_objective_is_written_as_before_there_were_several() -> None:
    assert {"objectives", "tolerance"}.isdisjoint(experiment().model_dump())
    assert len(set(map(choice(experiment(), {}), ["a", "b"]))) == 1
