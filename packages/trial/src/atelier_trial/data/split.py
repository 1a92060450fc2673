"""Which rows are for training and which for validation or testing, by seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]

VALIDATION: Final = 1
TEST: Final = 2


def split(targets: NDArray[np.generic], fraction: float, seed: int, purpose: int = VALIDATION) -> tuple[Rows, Rows]:
    """Row numbers (int64, ascending) of the larger and the smaller part: training and validation, or training and test.

    targets (N,) are class numbers, split class by class so that every class with two rows or more is in both parts, or
    (N, T) float targets, split as one. Equal for equal targets, fraction, seed and purpose, on every machine.
    """
    # RandomState's stream is frozen for good; that of newer generators may change with numpy
    random = np.random.RandomState([seed, purpose])
    if targets.ndim > 1:
        groups: Sequence[Rows] = [np.arange(len(targets), dtype=np.int64)]
    else:
        groups = [np.flatnonzero(targets == label).astype(np.int64) for label in np.unique(targets)]
    smaller = np.concatenate([random.permutation(rows)[: share(len(rows), fraction)] for rows in groups])
    chosen = np.zeros(len(targets), dtype=bool)
    chosen[smaller] = True
    return np.flatnonzero(~chosen).astype(np.int64), np.flatnonzero(chosen).astype(np.int64)


def share(rows: int, fraction: float) -> int:
    """How many of these rows go into the smaller part: the fraction, rounded, but neither none nor all."""
    return min(max(round(rows * fraction), 1), rows - 1)
