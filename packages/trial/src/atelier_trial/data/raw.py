"""What a source holds, before it is checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, Self

import numpy as np
from atelier_store.arrays import PART, Stored, StoredArray
from atelier_store.records import Column
from numpy.typing import NDArray

Array = NDArray[Any]

ARRAYS = ("x", "y", "x_test", "y_test")
"""What an .npz holds, and a function of the user's own returns."""

ENOUGH = 20
"""Rows, of which fewer may count up or equal the target by chance."""


def weight_arrays(name: str | None) -> tuple[str, ...]:
    """The names of the arrays of weights beside those, for the training and the test set, if there are any."""
    return () if name is None else (name, f"{name}_test")


def names_of(targets: Sequence[str]) -> dict[str, Any]:
    """The fields of RawData that name one target or several."""
    return {"target_name": targets[0]} if len(targets) == 1 else {"target_names": tuple(targets)}


class Readable(Protocol):
    """Examples (N, …) that are still where their source has them, and can be read one after the other."""

    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def nbytes(self) -> int: ...

    def __len__(self) -> int: ...

    def read(self) -> Iterator[tuple[int, Array]]:
        """The first row of examples that follow each other, with their values (n, …), in the source's order. DataError.

        Not all are in memory together.
        """


class Unread(Readable, Protocol):
    """Readable examples: as an array, but for their values."""

    @property
    def ndim(self) -> int: ...

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> Self:
        """These of the examples, in this order."""


Examples = Array | Unread


class InFiles:
    """Examples in .npy files of equal shape and type, one file after the other."""

    def __init__(self, files: Sequence[StoredArray], rows: NDArray[np.int64] | None = None) -> None:
        self.dtype: np.dtype[Any] = files[0].dtype
        self._files, self._ends = files, np.cumsum([len(file) for file in files])
        self._rows = np.arange(self._ends[-1]) if rows is None else rows

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self), *self._files[0].shape[1:])

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> InFiles:
        return InFiles(self._files, self._rows[rows])

    def read(self) -> Iterator[tuple[int, Array]]:
        """First rows and values, in the order of the files, of which a part is in memory."""
        order = np.argsort(self._rows, kind="stable")
        sources = self._rows[order]
        count = max(1, PART * len(self) // max(1, self.nbytes))
        for file, end in zip(self._files, self._ends, strict=True):
            start = end - len(file)
            first, last = np.searchsorted(sources, [start, end])
            for at in range(first, last, count):
                part = slice(at, min(at + count, last))
                yield from runs(order[part], file[sources[part] - start])


def runs(rows: NDArray[np.int64], values: Array) -> Iterator[tuple[int, Array]]:
    """The values of rows that follow each other together, with the first of these rows."""
    ends = [*(np.flatnonzero(np.diff(rows) != 1) + 1).tolist(), len(rows)]
    for start, end in pairwise([0, *ends]):
        yield int(rows[start]), values[start:end]


class InColumns:
    """Features (N, F) of a table, those (N, f) of each column apart; of columns in files, a part is in memory.

    levels says which other number takes the place of each of a category's level numbers, by the column.
    """

    def __init__(
        self,
        columns: Sequence[Stored],
        rows: NDArray[np.int64] | None = None,
        dtype: type[np.floating[Any]] = np.float64,
        levels: Mapping[int, Array] | None = None,
    ) -> None:
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self._columns, self._type = columns, dtype
        self._rows = np.arange(len(columns[0])) if rows is None else rows
        self._levels = dict(levels or {})

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self), sum(column.shape[1] for column in self._columns))

    @property
    def ndim(self) -> int:
        return 2

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape)) * self.dtype.itemsize

    @property
    def is_held(self) -> bool:
        """Whether all are in memory."""
        return all(isinstance(column, np.ndarray) for column in self._columns)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> InColumns:
        return InColumns(self._columns, self._rows[rows], self._type, self._levels)

    def astype(self, dtype: type[np.floating[Any]]) -> InColumns:
        """The same features as numbers of another type."""
        return InColumns(self._columns, self._rows, dtype, self._levels)

    def column(self, number: int) -> Array:
        """The features (N, f) of one column."""
        return self._of(number, self._rows)

    def relevel(self, number: int, levels: Array) -> None:
        """Put another number in the place of each level number of a category."""
        self._levels[number] = levels

    def read(self) -> Iterator[tuple[int, Array]]:
        """First rows and values, in their order, of which a part is in memory."""
        count = max(1, PART * len(self) // max(1, self.nbytes))
        for start in range(0, len(self), count):
            rows = self._rows[start : start + count]
            yield start, np.concatenate([self._of(number, rows) for number in range(len(self._columns))], axis=1)

    def _of(self, number: int, rows: NDArray[np.int64]) -> Array:
        if not rows.size:
            return np.empty((0, self._columns[number].shape[1]), self.dtype)
        first, last = int(rows.min()), int(rows.max()) + 1
        values = self._columns[number][first:last]  # at once: those between are few
        values = values if len(rows) == last - first else values[rows - first]
        if number in self._levels:
            values = self._levels[number][values.astype(np.int64)]
        with np.errstate(over="ignore"):
            return values.astype(self.dtype)


def held(x: Examples) -> Array:
    """The examples in memory. DataError if they cannot be read."""
    if isinstance(x, np.ndarray):
        return x
    values = np.zeros(x.shape, x.dtype)
    for row, examples in x.read():
        values[row : row + len(examples)] = examples
    return values


class Beneath:
    """The examples of several parts of equal shape and type, one part beneath the other."""

    def __init__(self, parts: Sequence[Examples]) -> None:
        self.dtype: np.dtype[Any] = parts[0].dtype
        self._parts = parts

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self), *self._parts[0].shape[1:])

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in self._parts)

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def read(self) -> Iterator[tuple[int, Array]]:
        """First rows and values, part by part."""
        above = 0
        for part in self._parts:
            found = [(0, part)] if isinstance(part, np.ndarray) else part.read()
            yield from ((above + row, examples) for row, examples in found)
            above += len(part)


def beneath(parts: Sequence[Examples]) -> Array | Readable:
    """The parts beneath each other; without a copy if there is one, and unread if one is."""
    if len(parts) == 1:
        return parts[0]
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    return np.concatenate(arrays) if len(arrays) == len(parts) else Beneath(parts)


@dataclass(frozen=True)
class Part:
    """Examples of the training or the test set.

    places names the place of each row, if "row 5" would not; notes say what was left out of them; order has the rank
    of each row in the column that splits them; weight has their weights (N,).
    """

    where: str
    x: Examples
    y: Array
    places: Sequence[str] | None = None
    notes: tuple[str, ...] = ()
    order: NDArray[np.int64] | None = None
    weight: Array | None = None

    def place(self, row: int | np.intp) -> str:
        """The place of a row, in words."""
        return f"{self.where}, {self.short(row)}"

    def such(self, rows: Sequence[int] | NDArray[np.intp]) -> str:
        """How many such rows there are, and which, in words."""
        if len(rows) == 1:
            return "there is 1 such"
        more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
        return f"there are {len(rows)} such ({', '.join(self.short(row) for row in rows[:5])}{more})"

    def short(self, row: int | np.intp) -> str:
        return self.places[int(row)] if self.places else f"row {row}"


@dataclass(frozen=True)
class RawData:
    """What a source holds. labels names class numbers; it is None if y itself holds names.

    columns are those of a table, whose examples are their features (N, F), NaN where a number or a date is missing;
    missing holds the texts that mean so, in lower case.
    """

    train: Part
    test: Part | None = None
    validation: Part | None = None
    labels: tuple[str, ...] | None = None
    feature_names: tuple[str, ...] | None = None
    target_name: str | None = None
    target_names: tuple[str, ...] | None = None
    columns: tuple[Column, ...] | None = None
    missing: tuple[str, ...] | None = None

    @classmethod
    def of(cls, parts: Mapping[str, Part], **meaning: Any) -> RawData:
        """What these parts hold, by the roles of their files: train, validation, test."""
        return cls(parts["train"], parts.get("test"), parts.get("validation"), **meaning)


def counts_up(numbers: Array) -> bool:
    """Whether numbers (N,) number their rows: 0, 1, 2 … or 1, 2, 3 …, and are too many to do so by chance."""
    return len(numbers) >= ENOUGH and bool(numbers[0] in (0, 1) and (np.diff(numbers) == 1).all())


def few(items: Sequence[str], most: int = 5) -> str:
    """The first of some items in words, and how many more there are."""
    return ", ".join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")
