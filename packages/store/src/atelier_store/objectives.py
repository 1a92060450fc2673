"""Several objectives: the values of each, which networks none is better than, and which of them is chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from atelier_store.spec import Experiment
from atelier_store.trial_rows import BundleRow

T = TypeVar("T")
Point = tuple[float, ...]
"""A value for the objective and for each beside it, turned so that less is better."""

COSTS: Mapping[str, Callable[[BundleRow], float | None]] = {
    "params": lambda bundle: bundle.params,
    "macs": lambda bundle: bundle.macs,
    "latencyMs": lambda bundle: bundle.latency_p50_ms,
    "onnxBytes": lambda bundle: bundle.onnx_bytes,
}
"""Costs by their names in a profile: weights, multiply-adds, median latency of one prediction, size of the ONNX."""


ROUNDING = 1e-9
"""So that 0.975 is within 0.005 of 0.98."""


def values(experiment: Experiment, bundle: BundleRow) -> dict[str, float]:
    """The objective and those beside it, by name, as far as the bundle has them."""
    names = [experiment.objective.objective_metric_name, *(other.metric for other in experiment.objectives)]
    costs = {name: value for name, cost in COSTS.items() if (value := cost(bundle)) is not None}
    known: Mapping[str, float] = {**bundle.metrics, **costs}
    return {name: known[name] for name in names if name in known}


def others(experiment: Experiment, bundle: BundleRow | str | None, metrics: Mapping[str, float]) -> Point:
    """The values of the objectives beside the objective: costs of a bundle, metrics of an epoch.

    One that is not known is as bad as can be; without a bundle there are none.
    """
    if not isinstance(bundle, BundleRow):
        return ()
    known = values(experiment, bundle._replace(metrics=dict(metrics)))
    return tuple(known.get(other.metric, other.worst) for other in experiment.objectives)


def point(experiment: Experiment, known: Mapping[str, float]) -> Point:
    """The values as a point; one that is not known is as bad as can be."""
    objective = experiment.objective
    aims = {objective.objective_metric_name: objective} | {other.metric: other for other in experiment.objectives}
    return tuple(aim.rank_key(known[name]) if name in known else float("inf") for name, aim in aims.items())


def front(points: Mapping[T, Point]) -> set[T]:
    """The Pareto front: those that no other is as good as by every objective and better by one.

    Whatever dominates a point comes before it in the order of all coordinates, so one walk is enough.
    """
    found: dict[T, Point] = {}
    for name in sorted(points, key=lambda name: points[name]):
        if not any(_dominates(other, points[name]) for other in found.values()):
            found[name] = points[name]
    return set(found)


def _dominates(a: Point, b: Point) -> bool:
    return a != b and all(one <= other for one, other in zip(a, b, strict=True))


def best_first(points: Mapping[T, Point], most: int) -> list[T]:
    """The first of all points, front by front (Deb et al. 2002), and of a front those that cover it best."""
    left, chosen = dict(points), list[T]()
    while left and len(chosen) < most:
        best = front(left)
        chosen += _spread(points, best)
        left = {name: point for name, point in left.items() if name not in best}
    return chosen[:most]


def _spread(points: Mapping[T, Point], names: Iterable[T]) -> list[T]:
    """The best by the objective, then each time the one farthest from all before it, by its places among all points.

    The epsilon-net of Schmucker et al. 2021, Multi-objective Asynchronous Successive Halving.
    """
    places = [
        {value: place for place, value in enumerate(sorted({point[axis] for point in points.values()}))}
        for axis in range(len(next(iter(points.values()))))
    ]
    scaled = {
        name: [known[value] / len(known) for value, known in zip(points[name], places, strict=True)]
        for name in sorted(names, key=lambda name: points[name])
    }
    chosen: list[T] = []
    distance = dict.fromkeys(scaled, float("inf"))
    while distance:
        farthest = max(distance, key=lambda name: distance[name])  # of equally far ones the first
        chosen.append(farthest)
        del distance[farthest]
        for name in distance:
            apart = sum(abs(a - b) for a, b in zip(scaled[name], scaled[farthest], strict=True))
            distance[name] = min(distance[name], apart)
    return chosen


def choice(experiment: Experiment, known: Mapping[T, Mapping[str, float]]) -> Callable[[T], tuple[float, ...]]:
    """A sort key that puts the network first that is chosen: the best by the objective, if there is no other objective.

    One that misses a goal beside the objective comes after those that miss none. Of those that are worse than the best
    by no more than the tolerance, the best by the objectives beside it comes first.
    """
    if not experiment.objectives:
        return lambda _: ()
    missed = {name: float(bool(missed_goals(experiment, known[name]))) for name in known}
    points = {name: point(experiment, known[name]) for name in known}
    best = min(((missed[name], points[name][0]) for name in known), default=(0.0, 0.0))

    def key(name: T) -> tuple[float, ...]:
        value, *others = points[name]
        is_near = missed[name] == best[0] and value - best[1] <= experiment.tolerance + ROUNDING
        return (missed[name], 0.0, *others, value) if is_near and experiment.tolerance else (missed[name], 1.0, value)

    return key


def missed_goals(experiment: Experiment, known: Mapping[str, float]) -> list[str]:
    """The goals beside the objective that a network misses, in words."""
    return [
        f"{other.metric} {known[other.metric]:.6g}, goal {other.goal:g}"
        for other in experiment.objectives
        if other.goal is not None and other.metric in known and not other.reaches(known[other.metric])
    ]
