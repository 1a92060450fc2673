"""Columns that are left out because nothing can be learnt from them, or because they tell the target; and warnings."""

from __future__ import annotations

import re

import polars as pl
from atelier_store.in_words import counted
from atelier_store.records import Column

from atelier_trial.data.raw import ENOUGH, counts_up
from atelier_trial.data.tables.columns import spelt
from atelier_trial.data.tables.levels import RARE
from atelier_trial.data.tables.numbers import LOOKED_AT, SAMPLE

UNIT = r"^(?P<before>[$€£¥₹]\s?)?[+-]?\d[\d.,']*(?P<after>\s?[^\W\d_]{1,10}|\s?[%‰°$€£¥₹]\S?)?$"
"""A number with a currency before it, or a unit after it."""

LIKE_AN_ID = re.compile(r"(?i:(?:^|[\W_])(?:id|uuid|guid|key|index|row|nr|no)$)|[a-z](?:Id|ID)$")
"""Names that identifiers have."""


def useless(cells: pl.Series) -> str | None:
    """Why nothing can be learnt from a column, whatever it is."""
    if cells.null_count() == len(cells):
        return "is empty"
    if cells.null_count() == 0 and (cells == cells[0]).all():
        return f"is {cells[0]!r} in every row"
    return None


def identifying(cells: pl.Series, column: Column) -> str | None:
    """Why a column that the profile does not name is left out: it identifies the row."""
    if column.kind == "category" and (most := _most_frequent(cells)) < RARE:
        hint = f" ({unit})" if (unit := measured(cells)) else ""
        return f"has {len(column.levels):,} different words, of which none is in more than {counted(most, 'row')}{hint}"
    if len(cells) < ENOUGH or cells.null_count() or column.kind != "number":
        return None
    return "numbers the rows" if counts_up(cells.cast(pl.Float64, strict=False).to_numpy()) else None


def telling(cells: pl.Series, target: pl.Series) -> str | None:
    """Why a column that the profile does not name is left out: it tells the target."""
    if len(cells) < ENOUGH or cells.null_count() or not _equals(cells, target):
        return None
    return "tells the target: each of its values goes with one value of it"


def doubtful(cells: pl.Series, column: Column) -> str | None:
    """Why a person should look at a column that is kept, and what to do then."""
    if column.kind == "category" and (unit := measured(cells)):
        return f"is taken for words: {unit}"
    if len(cells) < ENOUGH or column.kind != "number" or cells.null_count() or not LIKE_AN_ID.search(column.name):
        return None
    remedy = f"if so, write trainer.data.columns: {{{column.name}: drop}}"
    return f"looks like an identifier: its numbers all differ; {remedy}" if cells.n_unique() == len(cells) else None


def measured(cells: pl.Series) -> str | None:
    """By which unit the words of a column are no numbers, if all have the same one."""
    if cells.dtype != pl.String:
        return None
    words = cells.drop_nulls().head(LOOKED_AT).unique(maintain_order=True).head(SAMPLE)
    units = words.str.extract_groups(UNIT).struct.unnest().select(pl.all().str.strip_chars()).unique()
    if units.height != 1 or len(words) == 1 or None not in units.row(0) or units.row(0) == (None, None):
        return None
    unit = next(filter(None, units.row(0)))
    return f"they would be numbers without {unit!r}; write them so, for the network to know their order"


def _most_frequent(cells: pl.Series) -> int:
    """Rows of the most frequent level; levels of several spellings are only counted together where that matters."""
    most = int(cells.drop_nulls().value_counts()["count"].max())  # type: ignore[arg-type]  # of whole numbers
    if most >= RARE:
        return most
    return int(spelt(cells).drop_nulls().value_counts()["count"].max())  # type: ignore[arg-type]  # of whole numbers


def _equals(cells: pl.Series, target: pl.Series) -> bool:
    """Whether column and target tell each other: there are as many pairs of values as values of each."""
    count = cells.n_unique()
    return count == target.n_unique() and pl.DataFrame({"cells": cells, "target": target}).n_unique() == count
