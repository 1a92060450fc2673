"""A search with objectives beside the objective: which paused trial goes on."""

from __future__ import annotations

from collections.abc import Mapping

from atelier_store import halving, objectives
from atelier_store.spec import Objective, Spec

from atelier_searcher.history import History, Trial, by_key

PLACES = Objective(type="minimize")
"""Of places in an order the smaller is better."""


def to_resume(
    spec: Spec, history: History, values: Mapping[int, Mapping[str, float]], paused: Mapping[str, int]
) -> str | None:
    """The key of the paused trial that goes on next, by halving's rule with the order of `objectives.best_first`.

    Every trial pauses at every rung, for what it costs is not known before it has run.
    """
    eta, trials = spec.experiment.early_stopping.eta, by_key(history)
    places: dict[int, dict[str, float]] = {}
    for rung, reached in values.items():
        points = {key: _point(spec, value, trials[key]) for key, value in reached.items()}
        first = objectives.best_first(points, len(points) // eta) if points else []
        places[rung] = dict.fromkeys(points, float(len(points))) | {key: float(n) for n, key in enumerate(first)}
    return halving.to_resume(places, paused, PLACES, eta)


def _point(spec: Spec, value: float, trial: Trial) -> objectives.Point:
    experiment = spec.experiment
    others = zip(experiment.objectives, trial.others, strict=True)
    return (experiment.objective.rank_key(value), *(other.rank_key(one) for other, one in others))
