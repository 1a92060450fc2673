"""Asynchronous successive halving (Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning, algorithm 2).

A trial goes on past a rung only if it is among the best 1/eta of all that reached it. One that pauses there is resumed
once it is among them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from atelier_store.spec import EarlyStopping, Objective

Outcome = Literal["paused", "succeeded"]


def rungs(early_stopping: EarlyStopping, max_epochs: int) -> list[int]:
    """Epochs at which a trial may pause: min_epochs · eta^k, below max_epochs. Empty without halving."""
    if early_stopping.algorithm_name != "halving":
        return []
    epochs, epoch = [], early_stopping.min_epochs
    while epoch < max_epochs:
        epochs.append(epoch)
        epoch *= early_stopping.eta
    return epochs


def bar(others: Sequence[float], objective: Objective, eta: int) -> float | None:
    """The value that a trial needs to go on past a rung that these others reached; None: it pauses whatever its value.

    With itself they are n; it goes on if it is among the best n // eta, where equal values count in its favour.
    """
    places = (len(others) + 1) // eta
    if places == 0:
        return None
    return sorted(others, key=objective.rank_key)[places - 1]


def to_resume(
    values: Mapping[int, Mapping[str, float]], paused: Mapping[str, int], objective: Objective, eta: int
) -> str | None:
    """The key of the paused trial that goes on next: the best in the best 1/eta of its rung, the highest rung first.

    values holds the value of every trial that reached a rung, by rung and key, of equal ones the better first; paused
    holds the rung of every trial that may be resumed. None if none of them is among the best of its rung.
    """
    for rung in sorted(values, reverse=True):
        reached = values[rung]
        best = sorted(reached, key=lambda key: objective.rank_key(reached[key]))[: len(reached) // eta]
        for key in best:
            if paused.get(key) == rung:
                return key
    return None


def passes(value: float, bar: float | None, objective: Objective) -> bool:
    """Whether a value is good enough to go on."""
    return bar is not None and not objective.better(bar, value)


def end_of_run(
    values: Sequence[float], bars: Mapping[int, float | None], max_epochs: int, objective: Objective
) -> tuple[int, Outcome] | None:
    """Where a trial with this curve (values[0] is epoch 1) ends under these bars, and how; None if it is not there yet.

    Depends only on numbers that are fixed when the trial starts, so a stored curve tells whether it has to run again.
    """
    for epoch in sorted(bars):
        if epoch >= max_epochs:
            break
        if epoch > len(values):
            return None
        if not passes(values[epoch - 1], bars[epoch], objective):
            return epoch, "paused"
    return (max_epochs, "succeeded") if len(values) >= max_epochs else None
