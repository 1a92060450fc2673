"""Folds: each row is validated with once, by a network that has not learnt from it."""

from __future__ import annotations

from heapq import heapify, heapreplace
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from atelier_store.spec import SplitBy

Rows = NDArray[np.int64]

FOLDS: Final = 3
"""The purpose of these random draws; those of `split` have others."""


def folds(
    targets: NDArray[np.generic],
    count: int,
    seed: int,
    by: SplitBy | None = None,
    order: NDArray[np.int64] | None = None,
) -> list[tuple[Rows, Rows]]:
    """Row numbers (int64, ascending) to learn from and to validate with, for each of count folds.

    targets, by and order (N,) are those of `split`; each class has count rows at least, order has count ranks (of a
    time one more), all from 0 on. Each row is validated with in one fold; of a time, the first of count + 1 stretches
    is in none, and a fold learns only from what was before its validation (Hyndman & Athanasopoulos 2021, Forecasting:
    Principles and Practice, 5.10). Equal for equal arguments, on every machine.
    """
    random = np.random.RandomState([seed, FOLDS])
    if order is not None and by == "time":
        return _forward(order, count)
    if order is not None:
        fold = _of_groups(np.bincount(order), count, random)[order]
    else:
        is_one = targets.ndim > 1 or by == "random"
        fold = _of_classes(np.zeros(len(targets)) if is_one else targets, count, random)
    return [_rows(fold != number, fold == number) for number in range(count)]


def _of_classes(targets: NDArray[np.generic], count: int, random: np.random.RandomState) -> NDArray[np.int64]:
    """The fold of each row: as many of each class in each, and as many of all, up to one."""
    fold, dealt = np.empty(len(targets), np.int64), 0
    for label in np.unique(targets):
        rows = random.permutation(np.flatnonzero(targets == label))
        fold[rows] = (np.arange(len(rows)) + dealt) % count
        dealt += len(rows)
    return fold


def _of_groups(sizes: NDArray[np.int64], count: int, random: np.random.RandomState) -> NDArray[np.int64]:
    """The fold of each group: the largest ones first, each into the fold that holds the fewest rows."""
    shuffled = random.permutation(len(sizes))
    fold = np.empty(len(sizes), np.int64)
    held = [(0, number) for number in range(count)]
    heapify(held)
    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")].tolist():
        rows, number = held[0]
        fold[group] = number
        heapreplace(held, (rows + int(sizes[group]), number))
    return fold


def _forward(order: NDArray[np.int64], count: int) -> list[tuple[Rows, Rows]]:
    """Stretches of whole ranks, of about as many rows; each but the first is validated with, after those before it."""
    until = np.cumsum(np.bincount(order))
    ends = [0]
    for stretch in range(1, count + 1):
        near = int(np.abs(until - stretch * len(order) / (count + 1)).argmin()) + 1
        ends.append(min(max(near, ends[-1] + 1), len(until) - (count + 1 - stretch)))
    ends.append(len(until))
    return [_rows(order < first, (order >= first) & (order < last)) for first, last in pairwise(ends[1:])]


def _rows(learnt: NDArray[np.bool_], validated: NDArray[np.bool_]) -> tuple[Rows, Rows]:
    return np.flatnonzero(learnt).astype(np.int64), np.flatnonzero(validated).astype(np.int64)
