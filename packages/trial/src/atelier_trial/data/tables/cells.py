"""Cells of a table as values: texts without spaces around, gaps as nulls, types as polars has them."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from atelier_trial.data.errors import DataError


def given(cells: pl.Series, gaps: Collection[str], where: str) -> pl.Series:
    """The cells as String, Boolean, whole or Float64 numbers, or Datetime in UTC; null where there is a gap.

    DataError for values of other types.
    """
    kind = cells.dtype
    if kind in (pl.String, pl.Categorical, pl.Enum):
        return _texts(cells.cast(pl.String), gaps)
    if kind == pl.Boolean or kind.is_integer():
        return cells
    if kind.is_float() or kind.is_decimal():
        return cells.cast(pl.Float64).fill_nan(None)
    if kind == pl.Null:
        return cells.cast(pl.String)
    if kind == pl.Date:
        return cells.cast(pl.Datetime("us"))
    if isinstance(kind, pl.Datetime):
        in_utc = cells.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if kind.time_zone else cells
        return in_utc.cast(pl.Datetime("us"))
    if kind == pl.Time:
        return cells.cast(pl.String)
    raise DataError(
        [
            f"{where}, column {cells.name!r}: holds values of type {kind}; allowed: numbers, texts, booleans, dates; "
            f"leave it out by trainer.data.columns: {{{cells.name}: drop}}"
        ]
    )


def _texts(cells: pl.Series, gaps: Collection[str]) -> pl.Series:
    """The texts without spaces around, null for a gap. Numbers that mean no gap are taken as they are."""
    numbers = cells.cast(pl.Float64, strict=False).fill_nan(None)
    rows = ((numbers.is_null() & cells.is_not_null()) | cells.is_in(list(gaps)).fill_null(value=False)).arg_true()
    if not len(rows):
        return cells
    texts = cells.gather(rows).str.strip_chars()
    is_gap = (texts == "") | texts.str.to_lowercase().is_in(list(gaps))
    texts = texts.set(is_gap, None)
    return texts.alias(cells.name) if len(rows) == len(cells) else cells.scatter(rows, texts)
