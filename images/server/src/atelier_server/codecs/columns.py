"""Values of a table's columns, as JSON has them, to a model's inputs; None is a gap."""

from __future__ import annotations

import math
from collections.abc import Sequence
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

    def __init__(self, columns: Sequence[Column], missing: Sequence[str] = tables.GAPS) -> None:
        self.columns = tuple(columns)
        self.names = tuple(column.name for column in columns)
        self.unknown = f"is not a column of this model; its columns: {', '.join(self.names)}"
        self.is_numeric = table.is_numeric(columns)
        self._missing = {"", *missing}
        self._named = {tables.spelling(name): name for name in self.names}
        self._of_kind = {
            kind: places
            for kind in TYPES
            if (places := [number for number, column in enumerate(columns) if column.kind == kind])
        }
        self._names = {kind: [self.names[at] for at in places] for kind, places in self._of_kind.items()}
        self._texts: dict[str, dict[Any, str]] = {
            column.name: {None: "", "": ""} | {level: level for level in column.levels}
            for column in columns
            if column.kind == "category"
        }
        self._categories = list(zip(self._of_kind.get("category", ()), self._texts.values(), strict=True))

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

    def is_gap(self, text: str) -> bool:
        """Whether a text without spaces around it means a gap, in any case of letters."""
        return text.lower() in self._missing

    def is_level(self, column: Column, text: str) -> bool:
        """Whether a category was trained with this text."""
        return bool(text) and text in self._texts[column.name]

    def inputs(self, by_column: ByColumn) -> Inputs | None:
        """Rows of values of the right kinds as inputs; None if a number is out of range or a text is no date."""
        rows = len(by_column[0])
        found: Inputs = {}
        for kind, names in self._names.items():
            if kind == "category":
                flat: np.ndarray | None = self._texts_of(by_column)
            else:
                given = list(chain.from_iterable([by_column[at] for at in self._of_kind[kind]]))
                flat = packing.pack_with_gaps(given, "FP32") if kind == "number" else _moments(given)
            if flat is None:
                return None
            if self.is_numeric:
                return {INPUT: np.ascontiguousarray(flat.reshape(-1, rows).T)}
            found.update(zip(names, flat.reshape(-1, rows, 1), strict=True))
        return found

    def settled(self, inputs: Inputs) -> Inputs:
        """Inputs as they were sent, with texts as levels are spelt, and each column in its own shape (N, 1)."""
        if self.is_numeric:
            return inputs
        settled = {name: array.reshape(-1, 1) for name, array in inputs.items()}
        if not self._texts:
            return settled
        texts = self._texts_of([settled[name][:, 0].tolist() if name in self._texts else () for name in self.names])
        settled.update(zip(self._texts, texts.reshape(len(self._texts), -1, 1), strict=True))
        return settled

    def _texts_of(self, by_column: ByColumn) -> np.ndarray:
        """The texts of all categories, one after the other, as levels are spelt."""
        texts: list[str] = []
        for at, known in self._categories:
            texts += [known[value] if value in known else self._level(value) for value in by_column[at]]
        return np.array(texts, dtype=object)

    def _level(self, value: Any) -> str:
        text = table.level(value)
        return "" if self.is_gap(text) else text


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
        missing = tables.GAPS if model.manifest.missing is None else model.manifest.missing
        found = _tables[model] = Table(model.manifest.columns, missing)
    return found


def _moments(given: Sequence[str | None]) -> np.ndarray | None:
    """Dates as seconds since 1970 (N,); None if a text is no date."""
    found = [math.nan if text is None else dates.seconds(text) for text in given]
    return None if None in found else np.array(found, np.float64)
