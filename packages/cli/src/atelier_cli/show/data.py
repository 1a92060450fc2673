"""What a search learns from, in words and numbers, before it starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from atelier_store.columns import DATE_FEATURES, FIRST_LEVEL, MISSING, UNSEEN, places
from atelier_store.in_words import counted
from atelier_store.records import Column, DataDescription
from atelier_store.spec import ColumnKind, has_channels
from atelier_trial.data import Arrays, Parts, Prepared, Repeats, repeats
from numpy.typing import NDArray
from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

MOST_CLASSES = 12
"""So many are shown with their counts; of more only some."""
KINDS: dict[ColumnKind, str] = {"number": "numeric", "category": "of categories", "date": "of dates"}
MOST_LEVELS = 4
"""So many of a category are shown with their counts, the most frequent ones; JSON has all."""
MOST_FEATURES = 40
"""So many are shown with their range; JSON has all."""


@dataclass(frozen=True)
class ClassCounts:
    """Rows of one class in each part."""

    label: str
    training: int
    validation: int
    test: int


@dataclass(frozen=True)
class Range:
    """What the training and validation rows hold of one number; distinct counts its values."""

    name: str
    min: float
    median: float
    max: float
    distinct: int


@dataclass(frozen=True)
class LevelCount:
    """Rows of one level of a category."""

    level: str
    rows: int


@dataclass(frozen=True)
class ColumnReport:
    """What the training and validation rows hold of one column of a table, and what it becomes in a network.

    gaps counts rows without a value; unseen, of a category, those whose level is too rare to be one. A number has min,
    median, max and distinct; a date has min and max, as texts.
    """

    name: str
    kind: ColumnKind
    gaps: int
    unseen: int
    levels: tuple[LevelCount, ...]
    min: float | str | None
    median: float | None
    max: float | str | None
    distinct: int | None
    becomes: str


@dataclass(frozen=True)
class DataReport:
    """Prepared data in numbers. bytes is the arrays' size in memory; shape, and example in words, are of one row.

    With folds, the rows that are validated with are among those that are trained on.
    The features of a table are described by its columns.
    """

    source: str
    digest: str
    kind: str
    task: str
    shape: tuple[int, ...]
    example: str
    training: int
    validation: int
    folds: int | None
    test: int
    bytes: int
    classes: tuple[ClassCounts, ...]
    targets: tuple[Range, ...]
    weights: tuple[Range, ...]
    features: tuple[Range, ...]
    columns: tuple[ColumnReport, ...]
    repeats: Repeats
    notes: tuple[str, ...]


def report(description: Prepared, arrays: Arrays, parts: Parts) -> DataReport:
    """Numbers of the rows that a search with these parts trains on, validates with and tests with."""
    validation = np.concatenate([of_fold for _, of_fold in parts.splits])
    targets = [arrays.train_y[parts.training], arrays.train_y[validation], arrays.test_y]
    labels = description.labels
    counts = [] if labels is None else [_counts(y, len(labels)) for y in targets]
    has_features = description.kind == "rows" and description.columns is None
    repeated = repeats(arrays, parts.splits)
    return DataReport(
        source=description.source,
        digest=description.digest,
        kind=description.kind,
        task=description.task,
        shape=description.shape,
        example=_shape(description),
        training=len(parts.training),
        validation=parts.validated,
        folds=len(parts.splits) if len(parts.splits) > 1 else None,
        test=description.test_rows,
        bytes=sum(array.nbytes for array in arrays if array is not None),
        classes=tuple(ClassCounts(label, *of) for label, *of in zip(labels or (), *counts, strict=True)),
        targets=()
        if labels is not None
        else tuple(_ranges(arrays.train_y, description.target_names or description.target_name, "target")),
        weights=tuple(_ranges(arrays.train_weight, description.weight_name, "weight"))
        if arrays.train_weight is not None
        else (),
        features=tuple(_ranges(arrays.train_x, description.feature_names, "feature")) if has_features else (),
        columns=tuple(_columns(arrays.train_x, description.columns)) if description.columns else (),
        repeats=repeated,
        notes=(*description.notes, *cost_of_folds(parts), *repeated.notes(parts.validated, description.test_rows)),
    )


def _counts(y: NDArray[Any], labels: int) -> list[int]:
    """How many rows are of each class by class numbers (N,), or have each label by ones (N, T)."""
    counts = np.bincount(y, minlength=labels) if y.ndim == 1 else y.sum(0, dtype=np.int64)
    found: list[int] = counts.tolist()
    return found


def _ranges(values: NDArray[Any], names: tuple[str, ...] | str | None, what: str) -> Iterator[Range]:
    """The range of each column of (N, C), or of (N,)."""
    columns = values.reshape(len(values), -1).T
    given = (names,) if isinstance(names, str) else names
    for number, column in enumerate(columns):
        name = given[number] if given and len(given) == len(columns) else f"{what} {number}"
        yield Range(
            name, float(column.min()), float(np.median(column)), float(column.max()), int(np.unique(column).size)
        )


def _columns(x: NDArray[Any], columns: Sequence[Column]) -> Iterator[ColumnReport]:
    """What the features (N, F) of a table hold of each column."""
    for column, place in zip(columns, places(columns), strict=True):
        features = x[:, place]
        if column.kind == "category":
            yield _category(column, features[:, 0])
            continue
        given = features[~np.isnan(features[:, 0])]
        gaps = len(features) - len(given)
        filled = "; gaps filled and marked" if gaps else ""
        if column.kind == "date":
            first, last = _extremes(given)
            parts = ", ".join(DATE_FEATURES)
            yield ColumnReport(column.name, "date", gaps, 0, (), first, None, last, None, f"{parts}{filled}")
            continue
        low, middle, high = (float(of(given)) for of in (np.min, np.median, np.max)) if len(given) else (None,) * 3
        distinct = int(np.unique(given).size)
        yield ColumnReport(column.name, "number", gaps, 0, (), low, middle, high, distinct, f"scaled{filled}")


def _category(column: Column, numbers: NDArray[Any]) -> ColumnReport:
    counts = np.bincount(numbers.astype(np.int64), minlength=FIRST_LEVEL + len(column.levels)).tolist()
    levels = tuple(LevelCount(*of) for of in zip(column.levels, counts[FIRST_LEVEL:], strict=True))
    becomes = f"{counted(len(levels), 'level')}, unseen and missing"
    return ColumnReport(
        column.name, "category", counts[MISSING], counts[UNSEEN], levels, None, None, None, None, becomes
    )


def _extremes(dates: NDArray[Any]) -> tuple[str | None, str | None]:
    """The first and the last of dates, whose features are (N, 5)."""
    if not len(dates):
        return None, None
    order = np.lexsort(dates[:, [4, 2, 1, 0]].T)
    first, last = (
        "{:04.0f}-{:02.0f}-{:02.0f} {:02.0f}:00".format(*dates[row, [0, 1, 2, 4]]) for row in (order[0], order[-1])
    )
    return first, last


def tables(found: DataReport) -> RenderableType:
    """The report for people."""
    folds = f", in {found.folds} folds" if found.folds else ""
    validation = f"{found.validation:,} to validate with{folds}"
    rows = f"{counted(found.training, 'row')} to train on, {validation}, {found.test:,} to test with"
    parts: list[RenderableType] = [Text(f"{found.source}: {found.example}", "bold"), Text(rows)]
    if found.classes:
        parts.append(_classes(found))
    for ranges, what in ((found.targets, "target"), (found.weights, "weight"), (found.features, "feature")):
        if ranges:
            parts.append(_range_table(ranges, what))
    if found.columns:
        parts.append(_column_table(found))
    return Group(*parts, *(Text(note, "yellow") for note in found.notes))


def _classes(found: DataReport) -> Table:
    what = "label" if found.task == "multilabel" else "class"
    table = _table(what, "share", "train", "validate", "test")
    total = found.training + found.validation
    for one in found.classes:
        share = f"{(one.training + one.validation) / total:.1%}"
        table.add_row(escape(one.label), share, *(f"{count:,}" for count in (one.training, one.validation, one.test)))
    return table


def _range_table(ranges: tuple[Range, ...], what: str) -> Table:
    table = _table(what, "min", "median", "max", "distinct")
    for one in ranges[:MOST_FEATURES]:
        constant = one.distinct == 1
        numbers = (f"{value:.6g}" for value in (one.min, one.median, one.max))
        table.add_row(escape(one.name), *numbers, f"{one.distinct:,}" + (" (constant)" if constant else ""))
    if len(ranges) > MOST_FEATURES:
        table.caption = f"and {len(ranges) - MOST_FEATURES:,} more: --output json has all"
    return table


def _column_table(found: DataReport) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("column", "kind", "gaps", "values", "becomes"):
        table.add_column(name, justify="right" if name == "gaps" else "left")
    rows = found.training + (0 if found.folds else found.validation)
    for one in found.columns[:MOST_FEATURES]:
        gaps = f"{one.gaps / rows:.1%}" if one.gaps else ""
        table.add_row(escape(one.name), one.kind, gaps, escape(_values(one)), one.becomes)
    if len(found.columns) > MOST_FEATURES:
        table.caption = f"and {len(found.columns) - MOST_FEATURES:,} more: --output json has all"
    return table


def _values(one: ColumnReport) -> str:
    """The values of a column in words: its range, or its most frequent levels."""
    if one.kind == "number" and one.median is not None:
        return f"{one.min:.6g} to {one.max:.6g}, median {one.median:.6g}"
    if one.kind == "date":
        return f"{one.min} to {one.max}"
    most = sorted(one.levels, key=lambda level: -level.rows)
    more = f" and {len(most) - MOST_LEVELS:,} more" if len(most) > MOST_LEVELS else ""
    unseen = f"; {counted(one.unseen, 'row')} rare" if one.unseen else ""
    return ", ".join(f"{level.level} ({level.rows:,})" for level in most[:MOST_LEVELS]) + more + unseen


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def data_lines(description: Prepared, arrays: Arrays, parts: Parts) -> Iterator[str]:
    """Shape and targets of the training examples; what was left out; rows that are in two parts; what folds cost."""
    yield f"{_shape(description)}; {_targets(description, arrays.train_y)}"
    yield from description.notes
    yield from repeats(arrays, parts.splits).notes(parts.validated, description.test_rows)
    yield from cost_of_folds(parts)


def cost_of_folds(parts: Parts) -> Iterator[str]:
    """How much more a trial costs by its folds, if it has some."""
    if (count := len(parts.splits)) > 1:
        rows = len(parts.training) + sum(len(learnt) for learnt, _ in parts.splits)
        yield (
            f"{count} folds: a trial trains {count} networks to be scored and one of all rows to be served, which "
            f"takes {rows / len(parts.training):.1f} times as long as the one, and {count + 1} times its memory"
        )


def _shape(description: DataDescription) -> str:
    kind, shape = description.kind, description.shape
    if description.columns is not None:
        counts = Counter(column.kind for column in description.columns)
        kinds = [f"{counts[kind]:,} {plural}" for kind, plural in KINDS.items() if counts[kind]]
        return f"rows of {counted(len(description.columns), 'column')} ({', '.join(kinds)})"
    if kind == "rows":
        return f"rows of {counted(shape[0], 'feature')}"
    *size, channels = shape if has_channels(kind, shape) else (*shape, 1)
    of = f"pictures of {size[0]:,} x {size[1]:,} pixels" if kind == "images" else f"series of {size[0]:,} steps"
    return of if channels == 1 else f"{of} in {channels:,} channels"


def _targets(description: DataDescription, train_y: NDArray[Any]) -> str:
    if description.labels is None:
        low, high = (", ".join(f"{value:.6g}" for value in of) for of in (train_y.min(0), train_y.max(0)))
        named = ", ".join(description.target_names or ()) or description.target_name
        return f"{named or 'targets'} from {low} to {high}"
    counts = _counts(train_y, len(description.labels))
    classes = [f"{label} ({count:,})" for label, count in zip(description.labels, counts, strict=True)]
    what = "labels" if description.task == "multilabel" else "classes"
    if len(classes) <= MOST_CLASSES:
        return f"{len(classes)} {what}: {', '.join(classes)}"
    return (
        f"{len(classes):,} {what}: {', '.join(classes[:3])}, …, {classes[-1]}; {min(counts):,} to {max(counts):,} each"
    )
