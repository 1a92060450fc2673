"""Values of a table's columns, as JSON has them, to a model's inputs; None is a gap."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import chain
from types import GenericAlias
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
import numpy as np
from atelier_store import columns as table
from atelier_store import dates, tables
from atelier_store.columns import INPUT, Inputs
from atelier_store.records import Column

from atelier_server.codecs import packing, values
from atelier_server.models.model import Model

Text = str | int | float | bool | None
TYPES: dict[str, Any] = {"number": float | None, "category": Text, "date": str | None}
"""What JSON may hold for a column of each kind."""

DATE = "a date such as 2026-01-31 or 2026-01-31T18:30:00Z"

ByColumn = Sequence[Sequence[Any]]
"""The values of N rows, column by column."""


class Table:
    """The columns of one model, prepared for its requests."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = tuple(columns)
        self.names = tuple(column.name for column in columns)
        self.unknown = f"is not a column of this model; its columns: {', '.join(self.names)}"
        self.is_numeric = table.is_numeric(columns)
        self._named = {tables.spelling(name): name for name in self.names}
        self._of_kind = {
            kind: [number for number, column in enumerate(columns) if column.kind == kind] for kind in TYPES
        }
        self._texts = {
            column.name: {None: "", "": ""} | {level: level for level in column.levels}
            for column in columns
            if column.kind == "category"
        }

    @cached_property
    def decoder(self) -> msgspec.json.Decoder[Any]:
        """A decoder of {"instances": [...]}, of rows keyed by column and lists in the columns' order."""
        fields = [(f"c{number}", TYPES[column.kind]) for number, column in enumerate(self.columns)]
        names = {f"c{number}": name for number, name in enumerate(self.names)}
        row: Any = msgspec.defstruct("Row", fields, rename=names, forbid_unknown_fields=True)
        listed: Any = GenericAlias(tuple, tuple(kind for _, kind in fields))
        return msgspec.json.Decoder(
            msgspec.defstruct("Instances", [("instances", list[row | listed])], forbid_unknown_fields=True)
        )

    def spelt(self, name: str) -> str:
        """A column's name in the model's own spelling; anything else unchanged."""
        return self._named.get(tables.spelling(name), name)

    def is_level(self, column: Column, text: str) -> bool:
        """Whether a category was trained with this text."""
        return bool(text) and text in self._texts[column.name]

    def inputs(self, by_column: ByColumn) -> Inputs | None:
        """Rows of values of the right kinds as inputs; None if a number is out of range or a text is no date."""
        rows = len(by_column[0])
        numbers = self._numbers(by_column, rows)
        if numbers is None:
            return None
        if self.is_numeric:
            return {INPUT: np.ascontiguousarray(numbers[:, :, 0].T)}
        found = dict(zip((self.names[at] for at in self._of_kind["number"]), numbers, strict=True))
        for at in self._of_kind["category"]:
            found[self.names[at]] = self.texts(self.names[at], by_column[at])
        for at in self._of_kind["date"]:
            moments = _moments(by_column[at])
            if moments is None:
                return None
            found[self.names[at]] = moments
        return found

    def settled(self, inputs: Inputs) -> Inputs:
        """Inputs as they were sent, with texts as levels are spelt, and each column in its own shape (N, 1)."""
        if self.is_numeric:
            return inputs
        return {
            name: self.texts(name, array.ravel().tolist()) if name in self._texts else array.reshape(-1, 1)
            for name, array in inputs.items()
        }

    def texts(self, name: str, given: Sequence[Text]) -> np.ndarray:
        """The values (N,) of a category as texts (N, 1), as levels are spelt."""
        known = self._texts[name]
        spelt = [known[value] if value in known else table.level(value) for value in given]  # type: ignore[arg-type]
        return np.array(spelt, dtype=object).reshape(-1, 1)

    def _numbers(self, by_column: ByColumn, rows: int) -> np.ndarray | None:
        """The numbers (columns of numbers, N, 1), side by side: one conversion for all."""
        flat = list(chain.from_iterable(by_column[at] for at in self._of_kind["number"]))
        numbers = packing.pack_with_gaps(flat, "FP32")
        return None if numbers is None else numbers.reshape(len(self._of_kind["number"]), rows, 1)


def check(value: Any, column: Column, gap: str = "null") -> str | None:
    """What is wrong with one value of a column; None if nothing is. gap is what a gap is called."""
    if value is None:
        return None
    if column.kind == "number":
        return values.check(value, "FP32", gap)
    if column.kind == "date":
        is_date = isinstance(value, str) and dates.seconds(value) is not None
        return None if is_date else f"must be {DATE}, or {gap}, is {values.shown(value)}"
    if isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value)):
        return None
    return f"must be a text, a number, true, false or {gap}, is {values.shown(value)}"


_tables: WeakKeyDictionary[Model, Table] = WeakKeyDictionary()


def of(model: Model) -> Table | None:
    """The table that the model takes; None if it takes something else."""
    if model.manifest.columns is None:
        return None
    found = _tables.get(model)
    if found is None:
        found = _tables[model] = Table(model.manifest.columns)
    return found


def _moments(given: Sequence[str | None]) -> np.ndarray | None:
    """Dates as seconds since 1970 (N, 1); None if a text is no date."""
    seconds: Callable[[str], float | None] = dates.seconds
    found = [math.nan if text is None else seconds(text) for text in given]
    return None if None in found else np.array(found, np.float64).reshape(-1, 1)
