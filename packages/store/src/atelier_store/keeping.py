"""Which weights a trial keeps: those of its last epoch, or of its best one so far (`trainer.keepWeights`).

What it keeps is exported, ranked and promoted, so its value is theirs wherever a trial is looked at or compared. A
curve holds what was measured after every epoch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from atelier_store.spec import Spec


def epochs(spec: Spec, measured: Sequence[float]) -> list[int]:
    """For each epoch, the epoch, from 1, whose weights a trial of this search keeps that ends there.

    measured are its values of the objective after each epoch. Of equal ones the first is the best.
    """
    return list(_best(spec, measured)) if spec.trainer.keep_weights == "best" else list(range(1, len(measured) + 1))


def values(spec: Spec, measured: Sequence[float]) -> list[float]:
    """For each epoch, the value of the weights that a trial of this search keeps that ends there."""
    return [measured[epoch - 1] for epoch in epochs(spec, measured)]


def _best(spec: Spec, measured: Sequence[float]) -> Iterator[int]:
    best = 1
    for epoch, value in enumerate(measured, 1):
        best = epoch if spec.experiment.objective.better(value, measured[best - 1]) else best
        yield best
