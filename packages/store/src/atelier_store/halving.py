"""Asynchronous successive halving (Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", algorithm 2).

A trial that reaches a rung goes on only if it is in the best 1/eta of all that reached it; what pauses may be promoted later by resuming.
"""

from __future__ import annotations

from collections.abc import Sequence

from atelier_store.spec import EarlyStopping, Objective


def rungs(early_stopping: EarlyStopping, max_epochs: int) -> list[int]:
    """Epochs at which a trial has to prove itself: min_epochs · eta^k, below max_epochs. Empty if early stopping is not halving."""
    if early_stopping.algorithm_name != "halving":
        return []
    eta = early_stopping.setting("eta", 3)
    found, epoch = [], early_stopping.setting("min_epochs", 3)
    while epoch < max_epochs:
        found.append(epoch)
        epoch *= eta
    return found


def bar(others: Sequence[float], objective: Objective, eta: int) -> float | None:
    """The value that a trial must reach to go on past a rung that these others reached; None: it pauses whatever its value.

    With itself they are n; it goes on if it is among the best n // eta, equal values counting in its favour.
    """
    places = (len(others) + 1) // eta
    if places == 0:
        return None
    return sorted(others, key=objective.rank_key)[places - 1]


def passes(value: float, bar: float | None, objective: Objective) -> bool:
    """Whether a value is good enough to go on."""
    return bar is not None and not objective.better(bar, value)
