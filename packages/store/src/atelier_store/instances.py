"""Rows of a table as JSON has them: a value by the name of each column, and null for a gap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atelier_store import dates
from atelier_store.columns import INPUT, Inputs, is_numeric
from atelier_store.records import Column

Value = float | str | None


def instances(inputs: Inputs, columns: Sequence[Column]) -> list[dict[str, Value]]:
    """The rows of these inputs: numbers with the fewest digits that identify them, dates in ISO 8601."""
    if is_numeric(columns):
        by_column: list[NDArray[Any]] = list(inputs[INPUT].T)
    else:
        by_column = [inputs[column.name].reshape(-1) for column in columns]
    values = [_values(array, column) for array, column in zip(by_column, columns, strict=True)]
    return [dict(zip((column.name for column in columns), row, strict=True)) for row in zip(*values, strict=True)]


def _values(array: NDArray[Any], column: Column) -> list[Value]:
    if column.kind == "category":
        return [text or None for text in array.tolist()]
    numbers: list[float] = array.astype(str).astype(np.float64).tolist()
    if column.kind == "number":
        return [None if np.isnan(number) else number for number in numbers]
    return [None if np.isnan(number) else dates.text(number) for number in numbers]
