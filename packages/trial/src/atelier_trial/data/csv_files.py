"""CSV files as rows of features and a target, in the dialect that the server reads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from atelier_store import tables
from atelier_store.spec import Data

from atelier_trial.data.errors import DataError, gather, reading
from atelier_trial.data.raw import Array, Part, RawData, few

TABLES = "trainer.data.source: table reads words, dates and gaps too"


@dataclass(frozen=True)
class Table:
    """A CSV file: features (N, F) float64, target as text, and the line of each row."""

    path: Path
    features: tuple[str, ...]
    x: Array
    target: list[str]
    lines: list[str]


def read(data: Data, files: Mapping[str, Path]) -> RawData:
    """The rows of each file, features in the order of the training file's columns."""
    target = tables.spelling(data.target or "").strip()
    found = gather(lambda path: _table(path, target), files)
    train = found["train"]
    found = gather(lambda table: _in_order(table, train), found)
    parts = gather(lambda table: _part(table, data), found)
    return RawData.of(parts, feature_names=train.features, target_name=target)


def _table(path: Path, target: str) -> Table:
    with reading(path, "a CSV file"):
        rows = tables.lines(path.read_bytes())
    header = rows.pop(0).cells if rows else []
    if violations := _of_header(path, header, target) + _ragged(path, header, rows):
        raise DataError(violations)
    lines = [f"line {row.number}" for row in rows]
    columns = list(zip(*(row.cells for row in rows), strict=True)) or [()] * len(header)
    cells = dict(zip(header, columns, strict=True))
    features = [name for name in header if name != target]
    if not rows or not features:
        what = "has no rows" if not rows else f"has no column beside {target!r}"
        raise DataError([f"{path}: {what}; allowed: a header and rows of the target and at least one number"])
    x = np.empty((len(rows), len(features)))
    for number, name in enumerate(features):
        values = _numbers(cells[name])
        if values is None:
            violations.append(_not_numeric(path, name, cells[name], lines))
        else:
            x[:, number] = values
            violations += _gaps(path, name, x[:, number], lines)
    if violations:
        raise DataError(violations)
    return Table(path, tuple(features), x, list(cells[target]), lines)


def _of_header(path: Path, header: Sequence[str], target: str) -> list[str]:
    twice = sorted({name for name in header if name and header.count(name) > 1})
    violations = [f"{path}: column {name!r} is there more than once" for name in twice]
    if nameless := [f"column {number}" for number, name in enumerate(header, 1) if not name]:
        violations.append(
            f"{path}: columns without a name: {len(nameless)} ({few(nameless)}); allowed: a name for each column "
            "(pandas writes its index so, unless to_csv has index=False)"
        )
    if target not in header:
        violations.append(
            f"trainer.data.target: {path} has no column {target!r}; "
            f"allowed: {', '.join(header) or 'none, the file is empty'}"
        )
        separators = [mark for mark in ";\t|" if len(header) == 1 and mark in header[0]]
        violations += [f"{path}: cells are separated by {mark!r}; allowed: commas" for mark in separators]
    return violations


def _ragged(path: Path, header: Sequence[str], rows: Sequence[tables.Line]) -> list[str]:
    ragged = [row for row in rows if len(row.cells) != len(header)]
    if not ragged:
        return []
    number, cells = ragged[0]
    return [
        f"{path}: {len(ragged)} rows do not have the header's {len(header)} cells; "
        f"the first: line {number} has {len(cells)}"
    ]


def _numbers(cells: Sequence[str]) -> list[float] | None:
    """The numbers, nan for an empty cell; None if a cell holds something else."""
    given = [cell for cell in cells if cell]
    values = tables.floats(given)
    if values is None or len(given) == len(cells):
        return values
    found = iter(values)
    return [next(found) if cell else math.nan for cell in cells]


def _gaps(path: Path, name: str, values: Array, lines: Sequence[str], remedy: str = TABLES) -> list[str]:
    """What is wrong with a column of numbers of which cells are empty."""
    empty = np.flatnonzero(np.isnan(values))
    if not empty.size:
        return []
    where = f"{path}: column {name!r}: {len(empty)} empty cells, the first at {lines[int(empty[0])]}"
    return [f"{where}; allowed: none; {remedy}"]


def _not_numeric(path: Path, name: str, cells: Sequence[str], lines: Sequence[str]) -> str:
    wrong = [
        (cell, line) for cell, line in zip(cells, lines, strict=True) if cell and not tables.NUMBER.fullmatch(cell)
    ]
    cell, line = wrong[0]
    return (
        f"{path}: column {name!r} is not numeric: {len(wrong)} cells, the first is {cell!r} at {line}; "
        f"allowed: numbers such as 12, -0.5 or 1e5; {TABLES}"
    )


def _in_order(table: Table, train: Table) -> Table:
    """A file with its columns in the training file's order."""
    if table.features == train.features:
        return table
    missing = [name for name in train.features if name not in table.features]
    unknown = [name for name in table.features if name not in train.features]
    if missing or unknown:
        differences = f"lacks {', '.join(missing) or 'none'}; has besides: {', '.join(unknown) or 'none'}"
        raise DataError([f"{table.path}: of the training file's columns it {differences}; allowed: the same columns"])
    order = [table.features.index(name) for name in train.features]
    return Table(table.path, train.features, table.x[:, order], table.target, table.lines)


def _part(table: Table, data: Data) -> Part:
    where = table.path.name
    if data.task == "classification":
        return Part(where, table.x, np.array(table.target, dtype=str), table.lines)
    values = _numbers(table.target)
    if values is None:
        raise DataError([_not_numeric(table.path, str(data.target), table.target, table.lines)])
    targets = np.array(values)
    if gaps := _gaps(table.path, str(data.target), targets, table.lines, "leave these rows out"):
        raise DataError(gaps)
    return Part(where, table.x, targets, table.lines)
