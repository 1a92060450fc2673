"""Features of a table's values, value by value: what preparation and a bundle's front have to agree with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from atelier_store.columns import FIRST_LEVEL, MISSING, UNSEEN, date_features
from atelier_store.records import Column
from numpy.typing import NDArray


def features(by_column: Mapping[str, NDArray[Any]], columns: Sequence[Column]) -> NDArray[np.float32]:
    """The features (N, F) of values by column, (N,) each: floats, texts, or seconds since 1970 as floats."""
    parts = [_features(by_column[column.name].reshape(-1), column) for column in columns]
    return np.concatenate(parts, axis=1, dtype=np.float32)


def _features(values: NDArray[Any], column: Column) -> NDArray[Any]:
    if column.kind == "number":
        return values.reshape(-1, 1)
    if column.kind == "date":
        return date_features(values)
    number = {text: FIRST_LEVEL + index for index, text in enumerate(column.levels)} | {"": MISSING}
    distinct, of_row = np.unique(values.astype(str), return_inverse=True)
    return np.array([number.get(text, UNSEEN) for text in distinct.tolist()], dtype=np.float32)[of_row].reshape(-1, 1)
