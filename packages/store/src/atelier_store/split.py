"""Which rows are for training and which for validation or testing, by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from atelier_store.arrays import ORDER
from atelier_store.folds import Rows
from atelier_store.folds import folds as rows_of_folds
from atelier_store.records import DataDescription
from atelier_store.spec import SplitBy

VALIDATION: Final = 1
TEST: Final = 2


class Parts(NamedTuple):
    """The rows of the training arrays that the network of a trial learns from, and by which rows it is scored.

    splits holds rows to learn from and rows to validate with: training and validation, or those of each fold. With
    folds, training is all rows.
    """

    training: Rows
    splits: tuple[tuple[Rows, Rows], ...]

    @property
    def validated(self) -> int:
        """How many rows are validated with."""
        return sum(len(validation) for _, validation in self.splits)


def parts_of(
    arrays: Mapping[str, NDArray[Any]],
    description: DataDescription,
    validation_fraction: float,
    folds: int | None,
    seed: int,
) -> Parts:
    """The parts of a search: with folds, or with one split of the training arrays.

    The rows to validate with are those of a validation file, which are the last, or else drawn.
    """
    y, order, by = arrays["train_y"], arrays.get(ORDER), description.split.by if description.split else None
    rows = np.arange(len(y), dtype=np.int64)
    if folds is not None:
        return Parts(rows, tuple(rows_of_folds(y, folds, seed, by, order)))
    if (held := description.validation_rows) is not None:
        return Parts(rows[:-held], ((rows[:-held], rows[-held:]),))
    training, validation = split(y, validation_fraction, seed, by=by, order=order)
    return Parts(training, ((training, validation),))


def split(
    targets: NDArray[np.generic],
    fraction: float,
    seed: int,
    purpose: int = VALIDATION,
    by: SplitBy | None = None,
    order: NDArray[np.int64] | None = None,
) -> tuple[Rows, Rows]:
    """Row numbers (int64, ascending) of the larger and the smaller part: training and validation, or training and test.

    targets (N,) are class numbers, split class by class so that every class with two rows or more is in both parts, or
    (N, T) float targets, split as one; by says otherwise. Of a group or a time, order (N,) has two ranks at least: the
    rows of one rank stay together, and those of the highest ranks are the smaller part of a time. Equal for equal
    arguments, on every machine.
    """
    # RandomState's stream is frozen for good; that of newer generators may change with numpy
    random = np.random.RandomState([seed, purpose])
    if order is not None:
        ranks = np.unique(order)
        ranked = ranks[::-1] if by == "time" else random.permutation(ranks)
        return _parts(np.isin(order, _whole(ranked, order, share(len(order), fraction))))
    if targets.ndim > 1 or by == "random":
        groups: Sequence[Rows] = [np.arange(len(targets), dtype=np.int64)]
    else:
        groups = [np.flatnonzero(targets == label).astype(np.int64) for label in np.unique(targets)]
    smaller = np.concatenate([random.permutation(rows)[: share(len(rows), fraction)] for rows in groups])
    chosen = np.zeros(len(targets), dtype=bool)
    chosen[smaller] = True
    return _parts(chosen)


def _parts(chosen: NDArray[np.bool_]) -> tuple[Rows, Rows]:
    return np.flatnonzero(~chosen).astype(np.int64), np.flatnonzero(chosen).astype(np.int64)


def _whole(ranked: NDArray[np.int64], order: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    """The first of the ranks, at least one and not all, that hold about so many rows of order together."""
    held = np.cumsum(np.bincount(order)[ranked])
    count = int(np.abs(held - rows).argmin()) + 1
    return ranked[: min(count, len(ranked) - 1)]


def share(rows: int, fraction: float) -> int:
    """How many of these rows go into the smaller part: the fraction, rounded, but neither none nor all."""
    return min(max(round(rows * fraction), 1), rows - 1)
