"""Statistics of the training rows' inputs: the network standardises its input by them, the server measures drift."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from atelier_store import columns as table
from atelier_store.records import Column, ColumnStatistics, InputStatistics
from atelier_store.spec import Kind, has_channels
from numpy.typing import NDArray


def input_statistics(x: NDArray[Any], kind: Kind) -> InputStatistics:
    """Of raw training rows x (N, *shape), per channel or feature, in float64."""
    axes: Any = 0 if kind == "rows" else tuple(range(x.ndim - 1)) if has_channels(kind, x.shape[1:]) else None
    mean, std = (np.atleast_1d(of(axes, dtype=np.float64)) for of in (x.mean, x.std))
    return InputStatistics(mean=tuple(mean.tolist()), std=tuple(std.tolist()), count=x.size // mean.size)


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
