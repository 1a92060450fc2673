"""CSV files as rows of features and a target, in the dialect that the server reads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from atelier_store import tables
from atelier_store.in_words import counted
from atelier_store.spec import Data

from atelier_trial.data.errors import DataError, begins_as, gather, reading
from atelier_trial.data.raw import Array, Part, RawData, counts_up, few, names_of

TABLES = "trainer.data.source: table reads words, dates and gaps too"


@dataclass(frozen=True)
class Table:
    """A CSV file: features (N, F) float64, targets as text by name, weight (N,), and the line of each row."""

    path: Path
    features: tuple[str, ...]
    x: Array
    targets: dict[str, list[str]]
    lines: list[str]
    weight: Array | None = None


def read(data: Data, files: Mapping[str, Path]) -> RawData:
    """The rows of each file, features in the order of the training file's columns."""
    targets = tuple(tables.spelling(target).strip() for target in data.targets)
    weight = None if data.weight is None else tables.spelling(data.weight).strip()
    found = gather(lambda path: _table(path, targets, weight), files)
    train = found["train"]
    found = gather(lambda table: _in_order(table, train), found)
    parts = gather(lambda table: _part(table, data), found)
    parts["train"] = replace(parts["train"], notes=_of_index(train))
    return RawData.of(parts, feature_names=train.features, **names_of(targets))


def _table(path: Path, targets: Sequence[str], weight: str | None) -> Table:
    with reading(path, "a CSV file"):
        content = path.read_bytes()
        rows = tables.lines(content)
    header = [tables.name(cell) for cell in rows.pop(0).cells] if rows else []
    if not set(targets) & set(header) and (other := begins_as(content)):
        raise DataError([f"{path}: not a CSV file: it begins as {other}"])
    if violations := _of_header(path, header, targets, weight) + _ragged(path, header, rows):
        raise DataError(violations)
    lines = [f"line {row.number}" for row in rows]
    columns = list(zip(*(row.cells for row in rows), strict=True)) or [()] * len(header)
    cells = dict(zip(header, columns, strict=True))
    features = [name for name in header if name not in (*targets, weight)]
    if not rows or not features:
        besides = few([repr(name) for name in (*targets, weight) if name is not None])
        what = "has no rows" if not rows else f"has no column beside {besides}"
        raise DataError([f"{path}: {what}; allowed: a header and rows of the target and at least one number"])
    x = np.empty((len(rows), len(features)))
    weights = None if weight is None else np.empty(len(rows))
    for name, into in [*zip(features, x.T, strict=True), *([] if weight is None else [(weight, weights)])]:
        values = _numbers(cells[name])
        if values is None:
            violations.append(_not_numeric(path, name, cells[name], lines))
        elif merged := _merged(cells[name], values):
            violations.append(f"{path}: column {name!r}: {merged}; leave it out, or subtract a constant in all files")
        elif into is not None:
            into[:] = values
            if into is not weights:
                violations += _gaps(path, name, into, lines)
    if violations:
        raise DataError(violations)
    return Table(path, tuple(features), x, {name: list(cells[name]) for name in targets}, lines, weights)


def _of_header(path: Path, header: Sequence[str], targets: Sequence[str], weight: str | None) -> list[str]:
    twice = sorted({name for name in header if name and header.count(name) > 1})
    violations = [f"{path}: column {name!r} is there more than once" for name in twice]
    if nameless := [f"column {number}" for number, name in enumerate(header, 1) if not name]:
        violations.append(
            f"{path}: columns without a name: {len(nameless)} ({few(nameless)}); allowed: a name for each column "
            "(pandas writes its index so, unless to_csv has index=False)"
        )
    if weight is not None and weight not in header:
        violations.append(
            f"trainer.data.weight: {path} has no column {weight!r}; allowed: {', '.join(header) or 'none'}"
        )
    elif weight in targets:
        violations.append(f"trainer.data.weight: {weight!r} is the target; allowed: any other column")
    if missing := [target for target in targets if target not in header]:
        violations += [
            f"trainer.data.target: {path} has no column {target!r}; "
            f"allowed: {', '.join(header) or 'none, the file is empty'}"
            for target in missing
        ]
        separators = [mark for mark in ";\t|" if len(header) == 1 and mark in header[0]]
        violations += [f"{path}: cells are separated by {mark!r}; allowed: commas" for mark in separators]
    return violations


def _ragged(path: Path, header: Sequence[str], rows: Sequence[tables.Line]) -> list[str]:
    ragged = [row for row in rows if len(row.cells) != len(header)]
    if not ragged:
        return []
    number, cells = ragged[0]
    return [
        f"{path}: {counted(len(ragged), 'row')} without the header's {counted(len(header), 'cell')}; "
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


def _merged(cells: Sequence[str], values: Sequence[float]) -> str | None:
    """That two different whole numbers are the same as floats, which none can tell apart from 2^53 on."""
    if max(map(abs, values), default=0) < tables.EXACT:  # nan is not more
        return None
    texts: dict[float, int] = {}
    for cell, value in zip(cells, values, strict=True):
        if (
            abs(value) >= tables.EXACT
            and cell.lstrip("+-").isdigit()
            and texts.setdefault(value, int(cell)) != int(cell)
        ):
            return f"{texts[value]} and {int(cell)} are the same number from 2^53 on"
    return None


def _gaps(path: Path, name: str, values: Array, lines: Sequence[str], remedy: str = TABLES) -> list[str]:
    """What is wrong with a column of numbers of which cells are empty."""
    empty = np.flatnonzero(np.isnan(values))
    if not empty.size:
        return []
    where = f"{path}: column {name!r}: {counted(len(empty), 'empty cell')}, the first at {lines[int(empty[0])]}"
    return [f"{where}; allowed: none; {remedy}"]


def _not_numeric(path: Path, name: str, cells: Sequence[str], lines: Sequence[str]) -> str:
    wrong = [
        (cell, line) for cell, line in zip(cells, lines, strict=True) if cell and not tables.NUMBER.fullmatch(cell)
    ]
    cell, line = wrong[0]
    return (
        f"{path}: column {name!r} is not numeric: {counted(len(wrong), 'cell')}, the first is {cell!r} at {line}; "
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
    return replace(table, features=train.features, x=table.x[:, order])


def _of_index(table: Table) -> tuple[str, ...]:
    """Notes of columns that are learnt from although they can tell nothing of new rows."""
    indexes = [name for name, values in zip(table.features, table.x.T, strict=True) if counts_up(values)]
    return tuple(
        f"{table.path.name}: column {name!r} numbers the rows, which tells nothing of new ones: leave it out, as "
        "trainer.data.source: table does"
        for name in indexes
    )


def _part(table: Table, data: Data) -> Part:
    where = table.path.name
    if data.task == "classification":
        (target,) = table.targets.values()
        return Part(where, table.x, np.array(target, dtype=str), table.lines, weight=table.weight)
    found = gather(lambda name: _target(table, name), {name: name for name in table.targets})
    y = np.array(list(found.values()), dtype=np.float64).T
    return Part(where, table.x, y, table.lines, weight=table.weight)


def _target(table: Table, name: str) -> Array:
    """The numbers of a target (N,)."""
    cells = table.targets[name]
    values = _numbers(cells)
    if values is None:
        raise DataError([_not_numeric(table.path, name, cells, table.lines)])
    found = np.array(values)
    if gaps := _gaps(table.path, name, found, table.lines, "leave these rows out"):
        raise DataError(gaps)
    return found
