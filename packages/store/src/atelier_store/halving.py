"""Asynchronous successive halving (Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", algorithm 2).

A trial that reaches a rung goes on only if it is in the best 1/eta of all that reached it; what pauses may be promoted later by resuming.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from atelier_store.spec import EarlyStopping, Objective

Outcome = Literal["paused", "succeeded"]


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


def best(values: Mapping[str, float], objective: Objective, eta: int) -> list[str]:
    """The keys of a rung's best 1/eta, the best first: those that may go on by now, whenever they paused there."""
    return sorted(values, key=lambda key: (objective.rank_key(values[key]), key))[: len(values) // eta]


def passes(value: float, bar: float | None, objective: Objective) -> bool:
    """Whether a value is good enough to go on."""
    return bar is not None and not objective.better(bar, value)


def end_of_run(
    values: Sequence[float], bars: Mapping[int, float | None], max_epochs: int, objective: Objective
) -> tuple[int, Outcome] | None:
    """Where a trial with this curve (values[0] is epoch 1) ends under these bars, and how; None if the curve does not reach that far yet.

    A pure function of numbers fixed when the trial was started, so that a stored curve answers for a trial that need not run again.
    """
    for epoch in sorted(bars):
        if epoch >= max_epochs:
            break
        if epoch > len(values):
            return None
        if not passes(values[epoch - 1], bars[epoch], objective):
            return epoch, "paused"
    return (max_epochs, "succeeded") if len(values) >= max_epochs else None
