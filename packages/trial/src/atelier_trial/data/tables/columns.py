"""What each column of a table is, by its training rows: a number, a category or a date; and its features."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from atelier_store.columns import FIRST_LEVEL, MISSING, UNSEEN, date_features, level
from atelier_store.in_words import counted
from atelier_store.records import Column
from atelier_store.spec import ColumnKind
from atelier_store.tables import EXACT
from numpy.typing import NDArray

from atelier_trial.data.errors import DataError
from atelier_trial.data.raw import few
from atelier_trial.data.tables import dates, numbers
from atelier_trial.data.tables.reading import Places

FEW_WORDS, MANY_NUMBERS = 3, 20
"""A column of more distinct numbers than this with at most so many distinct words is one of numbers, with faults."""

CODE = r"^[+-]?0\d"
"""Whole numbers that begin with a zero are codes, whose spelling counts."""


@dataclass(frozen=True)
class Where:
    """The table and the place of each of its rows, for messages."""

    name: str
    places: Places

    def cells(self, column: str, rows: NDArray[np.intp], cells: pl.Series) -> str:
        """How many cells there are, which is the first and where."""
        first = cells[int(rows[0])]
        such = "1 cell" if len(rows) == 1 else f"{len(rows):,} cells, first"
        return f"{self.name}, column {column!r}: {such} {first!r} at {self.places[int(rows[0])]}"


@dataclass(frozen=True)
class Reader:
    """How the cells of one column become features."""

    column: Column
    number: numbers.Form
    day: dates.Form | None = None

    def features(self, cells: pl.Series, where: Where) -> NDArray[np.float64]:
        """The features (N, F) of cells without spaces, null for a gap. DataError for cells that are of another kind."""
        if self.column.kind == "number":
            return _numbers(cells, self.number, where).reshape(-1, 1)
        if self.column.kind == "date":
            return date_features(_dates(cells, self.day, where)).astype(np.float64)
        return _level_numbers(cells, self.column.levels).reshape(-1, 1)


def reader(cells: pl.Series, said: ColumnKind | None, number: numbers.Form, where: Where) -> Reader:
    """How a column is read: as the profile says, or as its cells look. DataError if they look like two things."""
    kind = said or _kind(cells, number, where)
    if kind == "category":
        return Reader(Column(name=cells.name, kind=kind, levels=levels(cells)), number)
    day = _day(cells, where) if kind == "date" else None
    return Reader(Column(name=cells.name, kind=kind), number, day)


def moments(cells: pl.Series, number: numbers.Form, where: Where) -> NDArray[np.float64]:
    """The place in time of each cell (N,): numbers, or dates in seconds. DataError for words."""
    kind = _kind(cells, number, where)
    if kind == "category":
        raise DataError(
            [f"{where.name}: column {cells.name!r}, which splits the rows by time: words; allowed: dates, numbers"]
        )
    return _numbers(cells, number, where) if kind == "number" else _dates(cells, _day(cells, where), where)


def _kind(cells: pl.Series, number: numbers.Form, where: Where) -> ColumnKind:
    if cells.dtype == pl.Boolean:
        return "category"
    if cells.dtype.is_numeric():
        return "number"
    if dates.is_date(cells.dtype):
        return "date"
    values = numbers.values(cells, number)
    words = values.is_null() & cells.is_not_null()
    if not words.any():
        return "category" if cells.str.contains(CODE).any() else "number"
    if dates.chosen(cells, where.name):
        return "date"
    if _is_mixed(cells, values, words):
        raise DataError([_mixed(cells, words, where)])
    return "category"


def _is_mixed(cells: pl.Series, values: pl.Series, words: pl.Series) -> bool:
    """Whether some words stand among numbers."""
    given, wrong = len(cells) - cells.null_count(), int(words.sum())
    if given - wrong >= numbers.MOSTLY * given:
        return True
    distinct = values.drop_nulls().n_unique()
    return distinct > MANY_NUMBERS and cells.filter(words).n_unique() <= FEW_WORDS


def _mixed(cells: pl.Series, words: pl.Series, where: Where) -> str:
    rows = np.flatnonzero(words.to_numpy())
    texts = [text for text, _ in Counter(cells.filter(words).to_list()).most_common(5)]
    others = counted(len(cells) - cells.null_count() - len(rows), "number")
    return (
        f"{where.cells(cells.name, rows, cells)} among {others}; "
        f"if that means a gap, write trainer.data.table.missing: [{', '.join(texts)}]; else "
        f"trainer.data.columns: {{{cells.name}: category}}, or drop"
    )


def _numbers(cells: pl.Series, form: numbers.Form, where: Where) -> NDArray[np.float64]:
    """The numbers (N,), NaN for a gap."""
    if dates.is_date(cells.dtype):
        raise DataError([f"{where.name}, column {cells.name!r}: holds dates; allowed for a number: numbers"])
    texts = cells.dtype == pl.String
    found = _all_read(numbers.values(cells, form) if texts else cells.cast(pl.Float64), cells, where, "not a number")
    violations = []
    infinite = np.flatnonzero(np.isinf(found))
    if infinite.size:
        gap = f"[{cells[int(infinite[0])]}]"
        violations.append(
            f"{where.cells(cells.name, infinite, cells)}: infinite; correct it, or if that means a gap, write "
            f"trainer.data.table.missing: {gap}"
        )
    large = np.flatnonzero((np.abs(found) >= EXACT) & np.isfinite(found))
    if large.size and (cells.dtype.is_integer() or (texts and cells.gather(large).str.contains(r"^[+-]?\d+$").any())):
        violations.append(
            f"{where.cells(cells.name, large, cells)}: from 2^53 on, where whole numbers are no longer told apart; "
            f"write trainer.data.columns: {{{cells.name}: category}}, or drop if it identifies the row"
        )
    if violations:
        raise DataError(violations)
    return found


def _day(cells: pl.Series, where: Where) -> dates.Form | None:
    if dates.is_date(cells.dtype):
        return None
    form = dates.chosen(cells, where.name) if cells.dtype == pl.String else None
    return form or dates.ISO


def _dates(cells: pl.Series, day: dates.Form | None, where: Where) -> NDArray[np.float64]:
    """Seconds since 1970 (N,), NaN for a gap."""
    if not dates.is_date(cells.dtype) and cells.dtype != pl.String:
        raise DataError([f"{where.name}, column {cells.name!r}: holds numbers; allowed for a date: 2019-12-31 12:30"])
    values = dates.values(cells, day or dates.ISO)
    return _all_read(values, cells, where, "not a date; allowed: such as 2019-12-31 12:30")


def _all_read(values: pl.Series, cells: pl.Series, where: Where, otherwise: str) -> NDArray[np.float64]:
    """The values (N,) that cells were read as, NaN for a gap. DataError for cells that could not be read."""
    wrong = np.flatnonzero((values.is_null() & cells.is_not_null()).to_numpy())
    if wrong.size:
        what = f"{where.cells(cells.name, wrong, cells)}: {otherwise}"
        raise DataError([f"{what}; correct it, or write what means a gap in trainer.data.table.missing"])
    found: NDArray[np.float64] = values.fill_null(np.nan).to_numpy()
    return found


# categories


def levels(cells: pl.Series) -> tuple[str, ...]:
    """Every level of a category: numbers in their order, others in that of their characters."""
    found = {level(value) for value in _distinct(cells)}
    if all(numbers.PLAIN_NUMBER.fullmatch(text) for text in found):
        return tuple(sorted(found, key=lambda text: (float(text), text)))
    return tuple(sorted(found))


def spelt(cells: pl.Series) -> pl.Series:
    """The cells as levels are spelt, null for a gap."""
    distinct = _distinct(cells)
    spellings = [level(value) for value in distinct]
    return _replaced(cells, distinct, spellings, pl.String())


def _level_numbers(cells: pl.Series, known: tuple[str, ...]) -> NDArray[np.float64]:
    number = {text: FIRST_LEVEL + index for index, text in enumerate(known)}
    distinct = _distinct(cells)
    of = [float(number.get(level(value), UNSEEN)) for value in distinct]
    found: NDArray[np.float64] = _replaced(cells, distinct, of, pl.Float64()).fill_null(float(MISSING)).to_numpy()
    return found


def _distinct(cells: pl.Series) -> list[Any]:
    return _plain(cells).drop_nulls().unique().to_list()


def _plain(cells: pl.Series) -> pl.Series:
    """Dates as texts, other cells as they are."""
    return cells.dt.to_string("iso") if dates.is_date(cells.dtype) else cells


def _replaced(cells: pl.Series, distinct: list[Any], by: list[Any], kind: pl.DataType) -> pl.Series:
    plain = _plain(cells)
    if not distinct:
        return pl.Series(cells.name, [None] * len(cells), dtype=kind)
    old = pl.Series(distinct, dtype=plain.dtype)
    return plain.replace_strict(old, pl.Series(by, dtype=kind), default=None, return_dtype=kind)


def unseen(cells: pl.Series, column: Column) -> str | None:
    """A note of the words that are in no training row."""
    counts = Counter({level(value): count for value, count in _plain(cells).drop_nulls().value_counts().iter_rows()})
    new = {text: count for text, count in counts.items() if text not in set(column.levels)}
    if not new:
        return None
    words = few(sorted(map(repr, new)))
    return f"column {column.name!r}: in {counted(sum(new.values()), 'row')}, words that no training row has: {words}"
