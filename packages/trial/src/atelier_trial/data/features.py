"""Checks of features: numbers that are finite, and that float32 tells apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from atelier_store import tables
from atelier_store.in_words import counted
from atelier_store.records import Column
from atelier_store.spec import Data, Kind, has_channels

from atelier_trial.data.raw import Array, Examples, InColumns, Part, RawData, few, held

COARSEST = 1e-3
"""How far float32 may move a value, in standard deviations of its feature."""


def kind_of(data: Data, x: Examples, violations: list[str]) -> Kind:
    """What one example is; the dtype and dimensions of arrays say it, where the profile does not."""
    if data.kind != "auto":
        return data.kind
    if x.dtype == np.uint8 and x.ndim in (3, 4):
        return "images"
    if x.ndim != 2:
        violations.append(
            f"trainer.data.kind: {x.dtype} examples of shape {x.shape[1:]} may be several things; "
            "say images, signals or rows"
        )
    return "rows"


DIMENSIONS: dict[Kind, tuple[int, ...]] = {"images": (3, 4), "signals": (2, 3), "rows": (2,)}
SHAPES: dict[Kind, str] = {"images": "(N, H, W) or (N, H, W, C)", "signals": "(N, L) or (N, L, C)", "rows": "(N, F)"}


def features_of(kind: Kind, part: Part, raw: RawData, violations: list[str]) -> Examples:
    """A part's examples: pixels as they are, numbers as float32."""
    if raw.columns is not None:
        return _of_columns(part, raw.columns, violations)
    x, names = part.x, raw.feature_names
    if x.ndim not in DIMENSIONS[kind] or 0 in x.shape:
        violations.append(
            f"{part.where}: examples have shape {x.shape}; allowed for {kind}: {SHAPES[kind]}, nothing empty"
        )
        return x
    if kind == "images":
        if x.dtype != np.uint8:
            violations.append(f"{part.where}: pixels are {x.dtype}; allowed: uint8, from 0 to 255")
        if x.ndim == 4 and x.shape[3] > 4 >= x.shape[1]:
            violations.append(f"{part.where}: pictures have shape {x.shape[1:]}; channels must come last")
        return x
    x = held(x)
    if x.dtype.kind not in "fiub":
        violations.append(f"{part.where}: features are {x.dtype}; allowed: numbers")
        return x

    def column(*index: int) -> str:
        return f"column {names[index[0]]!r}" if names else f"feature {', '.join(map(str, index))}"

    if kind == "rows":
        return float32s(part, x, column, violations)
    channels = x.reshape(len(x), -1, x.shape[-1] if has_channels(kind, x.shape[1:]) else 1)
    return float32s(part, channels, lambda *index: f"step {index[0]}, channel {index[1]}", violations).reshape(x.shape)


def _of_columns(part: Part, columns: Sequence[Column], violations: list[str]) -> InColumns:
    """Features of a table's columns, in which numbers may be missing."""
    x = part.x
    assert isinstance(x, InColumns)
    for number, column in enumerate(columns):
        if column.kind == "number":
            float32s(part, x.column(number), lambda *_, name=column.name: f"column {name!r}", violations, gaps=True)
    return x.astype(np.float32)


def of_constants(kind: Kind, part: Part, x: Examples) -> list[str]:
    """A line if no row of numbers is other than the first. Of a table, columns of one value are left out one by one."""
    if kind != "rows" or not isinstance(x, np.ndarray) or len(x) < 2 or (x != x[0]).any():
        return []
    return [f"{part.where}: every feature is the same in every row; there is nothing to learn from"]


def note_of_series(kind: Kind, x: Examples) -> list[str]:
    """A note if series look as if their axes were swapped, which only a person can tell."""
    if kind != "signals" or x.ndim != 3 or x.shape[2] <= x.shape[1]:
        return []
    return [
        f"series have {x.shape[1]:,} steps of {x.shape[2]:,} channels: if it is the other way round, "
        "swap the axes; allowed: (N, length, channels)"
    ]


def note_of_names(raw: RawData) -> list[str]:
    """A note of columns that a request can hardly name, which only a person can tell."""
    hidden = [repr(name) for name in raw.feature_names or () if tables.seen(name) != name]
    return [f"columns with characters that nobody sees: {few(hidden)}; requests must have them too"] if hidden else []


def float32s(part: Part, values: Array, column: Callable[..., str], violations: list[str], gaps: bool = False) -> Array:
    """The values (N, F), or (N, L, C), as float32; column names the place of one by its index without the row.

    With gaps, values (N, 1) may be NaN.
    """
    with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, and is reported as such
        converted = values.astype(np.float32)
    wrong = ~(np.isfinite(converted) | (np.isnan(values) if gaps else False))
    if wrong.any():
        first = tuple(int(i) for i in np.unravel_index(int(wrong.argmax()), wrong.shape))
        value = f"{part.place(first[0])}, {column(*first[1:])}: {values[first]}"
        violations.append(
            f"{value} is not a finite float32 number; {counted(int(wrong.sum()), 'such value')}; allowed: none"
        )
    elif not np.can_cast(values.dtype, np.float32):
        violations += [
            f"{part.where}, {column(*(0,) * (values.ndim - 2), number)}: {reason}"
            for number, reason in _indistinct(values[np.isfinite(values).all(1)] if gaps else values)
        ]
    return converted


def _indistinct(values: Array) -> list[tuple[int, str]]:
    """The number of each column, along the last axis, whose values float32 holds too coarsely, and why."""
    table = values.reshape(-1, values.shape[-1])
    table = table[:: max(1, len(table) // 1_000_000)]  # as good as all, and far less memory
    width = max(1, 4_000_000 // len(table))
    coarse = np.concatenate([_is_coarse(table[:, at : at + width]) for at in range(0, table.shape[1], width)])
    remedy = "scale them" if np.abs(table).max() < np.finfo(np.float32).tiny else "subtract a constant"
    return [
        (
            number,
            f"float32, which networks compute in, does not tell values near {np.median(table[:, number])} apart; "
            f"{remedy}, here and in requests",
        )
        for number in np.flatnonzero(coarse).tolist()[:20]
    ]


def _is_coarse(table: Array) -> Array:
    """Whether float32 moves the values of each column of (N, F) by much, in terms of how far they lie apart.

    The middle half of a column is also looked at by itself: one outlier must not hide that all others are the same.
    The last bits of a float may be noise of how it was computed, unless all are whole numbers.
    """
    moved = np.abs(_moved(table))
    least = table.min(0)
    above = table - least  # exact for large whole numbers, too
    first, third, high = np.percentile(above, [25, 75, 100], axis=0)
    middle = np.where((above >= first) & (above <= third), moved, 0).max(0)
    noise = np.where(_are_whole(table), 0, 16 * np.finfo(table.dtype).eps) if table.dtype.kind == "f" else 0
    whole = (moved.max(0) > COARSEST * above.std(0, dtype=np.float64)) & (high > noise * np.abs(table).max(0))
    coarse: Array = whole | (middle > COARSEST * (third - first)) & (third - first > noise * np.abs(least + third))
    return coarse


def _are_whole(table: Array) -> Array:
    """Which columns of floats (N, F) are whole numbers that their type holds exactly."""
    most = 2.0 ** (np.finfo(table.dtype).nmant + 1)
    whole: Array = ((table == np.floor(table)) & (np.abs(table) < most)).all(0)
    return whole


def _moved(table: Array) -> Array:
    """How far float32 moves values (N, F): exact also of whole numbers that float64 does not hold."""
    rounded = table.astype(np.float32).astype(np.float64)
    high = table if table.dtype.kind == "f" else table // 2**32 * 2**32
    moved: Array = (high.astype(np.float64) - rounded) + (table - high).astype(np.float64)
    return moved
