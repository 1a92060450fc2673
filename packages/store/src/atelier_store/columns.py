"""Columns of a table: the inputs that a person names, the features that a network is given, and the way between them.

A row has one input for each column, called as the column is: FP32 for a number, BYTES for a category, FP64 for a date
(seconds since 1970, in UTC). What is missing is NaN, or an empty text. A prepared array holds features, float32:

- number: its value; NaN where it is missing.
- category: the number of its level: 0 where it is missing, 1 for a text that is not in `levels`, from 2 on the levels.
- date: year, month, day, weekday (Monday is 1) and hour; NaN where it is missing.

A table of numbers alone has one input instead, all its columns beside each other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from atelier_store.records import Column, Tensor
from atelier_store.spec import ColumnKind
from atelier_store.tables import spelling

MISSING: Final = 0
UNSEEN: Final = 1
FIRST_LEVEL: Final = 2
"""Level numbers of a category."""

UNSEEN_TEXT: Final = "\ufffd"
"""A text that is never a level."""

DATE_FEATURES: Final = ("year", "month", "day", "weekday", "hour")
DATATYPES: Final[dict[ColumnKind, str]] = {"number": "FP32", "category": "BYTES", "date": "FP64"}
INPUT: Final = "input"
"""Name of the only input, where there is one for all columns."""

WHOLE = re.compile(r"([+-]?\d+)\.0+", re.ASCII)

Inputs = dict[str, NDArray[Any]]


def level(value: str | float) -> str:
    """A value of a category as a level is spelt: true and True are the same, as are 3 and 3.0, but not 7 and 007.

    Without the spaces around it, and in Unicode's form NFC. Empty for one that is missing.
    """
    if isinstance(value, bool):
        return str(value).lower()
    text = spelling(str(value)).strip()
    if whole := WHOLE.fullmatch(text):
        return whole[1]
    return text.lower() if text.lower() in ("true", "false") else text


def is_numeric(columns: Sequence[Column]) -> bool:
    """Whether all columns are numbers, so that a row is one input."""
    return all(column.kind == "number" for column in columns)


def tensors(columns: Sequence[Column]) -> tuple[Tensor, ...]:
    """The inputs of a network for these columns, as a manifest has them."""
    if is_numeric(columns):
        return (Tensor(name=INPUT, datatype="FP32", shape=(-1, len(columns))),)
    return tuple(Tensor(name=column.name, datatype=DATATYPES[column.kind], shape=(-1, 1)) for column in columns)


def places(columns: Sequence[Column]) -> list[slice]:
    """The features of each column, as a slice of all."""
    ends = np.cumsum([len(DATE_FEATURES) if column.kind == "date" else 1 for column in columns]).tolist()
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]


def date_features(seconds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The features (N, 5) of seconds since 1970 (N,); NaN of NaN."""
    given = np.isfinite(seconds)
    hours = np.floor(np.where(given, seconds, 0) / 3600).astype(np.int64)
    days, hour = hours // 24, hours % 24
    date = days.astype("datetime64[D]")
    year, month = date.astype("datetime64[Y]"), date.astype("datetime64[M]")
    parts = [
        year.astype(np.int64) + 1970,
        (month - year).astype(np.int64) + 1,
        (date - month).astype(np.int64) + 1,
        (days + 3) % 7 + 1,
        hour,
    ]
    return np.where(given[:, None], np.stack(parts, axis=1), np.nan).astype(np.float32)


def inputs(rows: NDArray[np.float32], columns: Sequence[Column]) -> Inputs:
    """Inputs whose features these are, (N, F): what a client would send for them. Texts are numpy's objects."""
    if is_numeric(columns):
        return {INPUT: rows}
    return {
        column.name: values(rows[:, place], column).reshape(-1, 1)
        for column, place in zip(columns, places(columns), strict=True)
    }


def values(of: NDArray[np.float32], column: Column) -> NDArray[Any]:
    """The values (N,) of one column, of its features (N, …): floats, texts, or seconds since 1970 to the hour."""
    if column.kind == "number":
        return of[:, 0]
    if column.kind == "category":
        return np.array(["", UNSEEN_TEXT, *column.levels], dtype=object)[of[:, 0].astype(np.int64)]
    given = np.isfinite(of[:, 0])
    year, month, day, _, hour = np.where(given[:, None], of, 1).astype(np.int64).T
    months = (year - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (month - 1)
    days = months.astype("datetime64[D]").astype(np.int64) + day - 1
    return np.where(given, days * 86400 + hour * 3600, np.nan).astype(np.float64)


def reference(given: Inputs) -> Inputs:
    """Inputs as `reference.npz` keeps them: `input`, or where there are several `input.0` and on; texts as numpy's."""
    arrays = {name: array.astype(str) if array.dtype == object else array for name, array in given.items()}
    if set(given) == {INPUT}:
        return arrays
    return {f"{INPUT}.{number}": array for number, array in enumerate(arrays.values())}


def referred(kept: Mapping[str, NDArray[Any]], names: Sequence[str]) -> Inputs:
    """The inputs of these names that `reference.npz` keeps. KeyError if it lacks one."""
    members = [INPUT] if INPUT in kept else [f"{INPUT}.{number}" for number in range(len(names))]
    arrays = (kept[member] for member in members)
    return {
        name: array.astype(object) if array.dtype.kind == "U" else array
        for name, array in zip(names, arrays, strict=True)
    }
