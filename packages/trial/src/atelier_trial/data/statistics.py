"""Statistics of the training rows' inputs: the network standardises its input by them, the server measures drift."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from atelier_store import columns as table
from atelier_store.records import Column, ColumnStatistics, InputStatistics
from atelier_store.spec import Kind, has_channels
from numpy.typing import NDArray


def input_statistics(x: NDArray[Any], kind: Kind) -> InputStatistics:
    """Of raw training rows x (N, *shape), per channel or feature, in float64."""
    axes = _axes(x, kind)
    mean, std = (np.atleast_1d(of(axes, dtype=np.float64)) for of in (x.mean, x.std))
    return InputStatistics(mean=tuple(mean.tolist()), std=tuple(std.tolist()), count=x.size // mean.size)


def statistics_of_parts(parts: Iterable[NDArray[Any]], kind: Kind) -> InputStatistics:
    """The same, up to rounding, of rows that come in parts: one pass, of which a part is in memory at a time.

    Those of two parts come to those of both as in Chan, Golub & LeVeque 1983, Algorithms for Computing the Sample
    Variance: Analysis and Recommendations.
    """
    if kind == "images":
        return _of_pixels(parts)
    count, mean, squares = 0, np.zeros(1), np.zeros(1)
    for part in parts:
        axes = _axes(part, kind)
        own_mean, own_variance = (np.atleast_1d(of(axes, dtype=np.float64)) for of in (part.mean, part.var))
        own = part.size // own_mean.size
        apart, before, count = own_mean - mean, count, count + own
        squares = squares + own_variance * own + apart**2 * (before * own / count)
        mean = mean + apart * (own / count)
    return InputStatistics(mean=tuple(mean.tolist()), std=tuple(np.sqrt(squares / count).tolist()), count=count)


def _of_pixels(parts: Iterable[NDArray[np.uint8]]) -> InputStatistics:
    """The same of pictures (n, H, W[, C]), exactly: from the sums of their pixels and of the squares of these."""
    count, total, squared = 0, np.zeros(1, np.uint64), np.zeros(1, np.uint64)
    for part in parts:
        channels = part.shape[3] if has_channels("images", part.shape[1:]) else 1
        squares = part.astype(np.uint16)
        squares *= squares
        count += part.size // channels
        total, squared = (
            sums + of.sum(0, dtype=np.uint64).reshape(-1, channels).sum(0)
            for sums, of in ((total, part), (squared, squares))
        )
    sums = list(zip(total.tolist(), squared.tolist(), strict=True))
    std = tuple(math.sqrt((count * squares - of * of) / count**2) for of, squares in sums)
    return InputStatistics(mean=tuple(of / count for of, _ in sums), std=std, count=count)


def _axes(x: NDArray[Any], kind: Kind) -> Any:
    """Along which a mean is that of a channel, or of a feature of rows."""
    return 0 if kind == "rows" else tuple(range(x.ndim - 1)) if has_channels(kind, x.shape[1:]) else None


def column_statistics(x: NDArray[np.float32], columns: Sequence[Column]) -> tuple[ColumnStatistics, ...]:
    """Of the features (N, F) of a table's training rows, for each column."""
    parts = zip(columns, table.places(columns), strict=True)
    return tuple(_of_column(x[:, place], column) for column, place in parts)


def _of_column(of: NDArray[np.float32], column: Column) -> ColumnStatistics:
    rows = len(of)
    if column.kind == "category":
        counts = np.bincount(of[:, 0].astype(np.int64), minlength=table.FIRST_LEVEL + len(column.levels))
        shares = (counts / rows).tolist()
        return ColumnStatistics(count=rows, missing=shares[table.MISSING], shares=tuple(shares))
    values = table.values(of, column).astype(np.float64)
    given = values[~np.isnan(values)]
    missing = 1 - len(given) / rows
    if not given.size:
        return ColumnStatistics(count=rows, missing=missing)
    return ColumnStatistics(count=rows, missing=missing, mean=float(given.mean()), std=float(given.std()))
