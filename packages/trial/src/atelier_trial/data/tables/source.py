"""A table as features and a target, with everything that is wrong with it said at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from atelier_store.arrays import Stored, StoredArray
from atelier_store.files import named_in_errors
from atelier_store.in_words import counted
from atelier_store.records import Column
from atelier_store.spec import ColumnChoice, Data, Split, TableFormat, Task
from atelier_store.tables import GAPS, spelling
from numpy.typing import NDArray

from atelier_trial.data.errors import DataError, Violations, gather
from atelier_trial.data.raw import Array, InColumns, Part, RawData, few, names_of
from atelier_trial.data.tables import dropping, numbers, reading
from atelier_trial.data.tables.cells import given
from atelier_trial.data.tables.columns import Reader, Where, moments, reader, spelt, unseen
from atelier_trial.data.tables.large import Columns
from atelier_trial.data.tables.reading import Frame

HELD = 4 * 2**20
"""Bytes of the features of a column that are held in memory; those of more wait in a file for the others."""


@dataclass(frozen=True)
class Table:
    """The cells of a table's columns, the target's among them; null is a gap."""

    where: Where
    cells: MutableMapping[str, pl.Series]
    notes: tuple[str, ...]


class Unread(MutableMapping[str, pl.Series]):
    """The cells of a large table's columns, each read whenever it is asked for."""

    def __init__(self, columns: Columns, names: Sequence[str], gaps: Sequence[str], where: str) -> None:
        """DataError for columns that cannot be read."""
        gather(lambda name: given(columns.empty(name), gaps, where), {name: name for name in names})
        self._columns, self._gaps, self._where = columns, gaps, where
        self._left = dict.fromkeys(names)

    def __getitem__(self, name: str) -> pl.Series:
        if name not in self._left:
            raise KeyError(name)
        return given(self._columns[name], self._gaps, self._where)

    def __setitem__(self, name: str, cells: pl.Series) -> None:
        raise TypeError("cells are as they were read")

    def __delitem__(self, name: str) -> None:
        del self._left[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._left)

    def __len__(self) -> int:
        return len(self._left)


def read(data: Data, files: Mapping[str, Path], folder: Path) -> RawData:
    """The rows of each file. Features are in the order of the training file's columns; large ones are in the folder."""
    declared, names_of_targets = data.table or TableFormat(), tuple(spelling(one).strip() for one in data.targets)
    choices = {spelling(name).strip(): choice for name, choice in (data.columns or {}).items()}
    is_nameless = choices.get("") == "drop"
    frames = gather(
        lambda role: reading.read(files[role], declared, names_of_targets[0], is_nameless, folder / role),
        {role: role for role in files},
    )
    by = spelling(data.split.column).strip() if data.split and data.split.column is not None else None
    weight = None if data.weight is None else spelling(data.weight).strip()
    unused = {name for name, choice in choices.items() if choice == "drop"}
    if by is not None and data.split is not None and data.split.by == "group":
        unused.add(by)
    violations = _violations(frames, choices, names_of_targets, by, unused)
    if violations := violations + _of_weight(frames, choices, names_of_targets, by, weight):
        raise DataError(violations)
    gaps = GAPS if declared.missing is None else tuple(text.strip().lower() for text in declared.missing)
    known = frames["train"].columns.columns
    used = {role: [name for name in known if name not in unused or (role == "train" and name == by)] for role in frames}
    tables = gather(lambda role: _table(frames[role], used[role], gaps), {role: role for role in frames})
    train = tables["train"]
    texts = (cells for name, cells in train.cells.items() if _may_be_number(name, cells, data, choices))
    form = numbers.find(texts, declared, train.where.name)
    wrong = Violations()
    targets: dict[str, list[pl.Series]] = {}
    for role, table in tables.items():
        with wrong.collected():
            targets[role] = _targets(table, names_of_targets, data.task, form)
    weights: dict[str, Array | None] = {}
    with wrong.collected():
        weights = gather(lambda table: _weight(table, data, form), tables)
    order = None
    if data.split and by is not None:
        with wrong.collected():
            order = _order(train, by, data.split, choices, form)
    kept, notes = _kept(train, targets.get("train", []), choices, form, folder, wrong)
    readers = [one.reader for one in kept]
    held: dict[str, Features] = {}
    with wrong.collected():
        others = {role: role for role in tables if role != "train"}
        held = gather(lambda role: _held(tables[role], readers, folder / role), others)
    wrong.check()
    parts = {"train": _part(train, Features([one.features for one in kept], notes), targets["train"], order)}
    parts |= {role: _part(tables[role], held[role], targets[role]) for role in held}
    parts = {role: replace(part, weight=weights[role]) for role, part in parts.items()}
    columns = tuple(one.column for one in readers)
    return RawData.of(
        parts,
        feature_names=tuple(column.name for column in columns),
        **names_of(names_of_targets),
        columns=columns,
        missing=tuple(gaps),
    )


def _violations(
    frames: Mapping[str, Frame],
    choices: Mapping[str, ColumnChoice],
    targets: Sequence[str],
    by: str | None,
    unused: Collection[str],
) -> list[str]:
    """What is wrong with the names of columns. by splits the rows; files beside the training's may lack unused ones."""
    train = frames["train"].columns.columns
    violations = []
    if unknown := [name for name in choices if name not in train]:
        violations.append(
            f"trainer.data.columns: {frames['train'].where} has no {few([repr(name) for name in unknown])}; "
            f"allowed: {few(train, 50)}"
        )
    violations += [
        f"trainer.data.columns.{target}: is the target, which trainer.data.task says the kind of"
        for target in targets
        if target in choices
    ]
    if by is not None and by not in train:
        violations.append(
            f"trainer.data.split.column: {frames['train'].where} has no column {by!r}; allowed: {few(train, 50)}"
        )
    if by in targets:
        violations.append(f"trainer.data.split.column: {by!r} is the target; allowed: any other column")
    violations += [
        f"trainer.data.target: {frames['train'].where} has no column {target!r}; allowed: {few(train, 50)}"
        for target in targets
        if target not in train
    ]
    for role in [role for role in frames if role != "train"]:
        names, where = frames[role].columns.columns, frames[role].where
        lacks = [name for name in train if name not in names and name not in unused]
        besides = [name for name in names if name not in train]
        if lacks or besides:
            differences = f"lacks {', '.join(lacks) or 'none'}; has besides: {', '.join(besides) or 'none'}"
            violations.append(f"{where}: of the training file's columns it {differences}; allowed: the same columns")
    return violations


def _of_weight(
    frames: Mapping[str, Frame],
    choices: Mapping[str, ColumnChoice],
    targets: Sequence[str],
    by: str | None,
    weight: str | None,
) -> list[str]:
    """What is wrong with the name of the column of weights."""
    train = frames["train"].columns.columns
    if weight is None:
        return []
    if weight not in train:
        where = frames["train"].where
        return [f"trainer.data.weight: {where} has no column {weight!r}; allowed: {few(train, 50)}"]
    if weight in targets:
        return [f"trainer.data.weight: {weight!r} is the target; allowed: any other column"]
    if weight == by:
        return [f"trainer.data.weight: {weight!r} is trainer.data.split.column; allowed: any other column"]
    return [f"trainer.data.columns.{weight}: is the weight, which is a number"] if weight in choices else []


def _table(frame: Frame, names: Sequence[str], gaps: Sequence[str]) -> Table:
    columns = frame.columns
    if isinstance(columns, Columns):
        return Table(Where(frame.where, frame.places), Unread(columns, names, gaps, frame.where), frame.notes)
    cells = gather(lambda name: given(columns[name], gaps, frame.where), {name: name for name in names})
    return Table(Where(frame.where, frame.places), cells, frame.notes)


def _order(
    table: Table, by: str, split: Split, choices: Mapping[str, ColumnChoice], form: numbers.Form
) -> NDArray[np.int64]:
    """The ranks of the rows (N,) in the column that splits them. It is learnt from only if it is a time."""
    cells = table.cells[by]
    if split.by == "group" or choices.get(by) == "drop":
        del table.cells[by]
    missing = np.flatnonzero(cells.is_null().to_numpy())
    if missing.size:
        places = few([table.where.places[row] for row in missing[:6].tolist()])
        raise DataError(
            [f"{table.where.name}: column {by!r}, which splits the rows, has {counted(len(missing), 'gap')}: {places}"]
        )
    values = spelt(cells).to_numpy() if split.by == "group" else moments(cells, form, table.where)
    ranks: NDArray[np.int64] = np.unique(values, return_inverse=True)[1].astype(np.int64)
    return ranks


def _may_be_number(name: str, cells: pl.Series, data: Data, choices: Mapping[str, ColumnChoice]) -> bool:
    is_class = name == data.target and data.task == "classification"
    return cells.dtype == pl.String and choices.get(name) in (None, "number") and not is_class


def _targets(table: Table, names: Sequence[str], task: Task, form: numbers.Form) -> list[pl.Series]:
    """The targets without gaps: classes as levels are spelt, or numbers."""
    return list(gather(lambda name: _target(table, name, task, form), {name: name for name in names}).values())


def _target(table: Table, name: str, task: Task, form: numbers.Form) -> pl.Series:
    cells = table.cells.pop(name)
    missing = np.flatnonzero(cells.is_null().to_numpy())
    if missing.size:
        rows = few([table.where.places[row] for row in missing[:6].tolist()][:5])
        more = f" and {len(missing) - 5:,} more" if len(missing) > 5 else ""
        gaps = counted(len(missing), "gap")
        raise DataError([f"{table.where.name}: target {name!r} has {gaps}: {rows}{more}; leave these rows out"])
    if task == "classification":
        return spelt(cells)
    try:
        values = Reader(Column(name=name, kind="number"), form).features(cells, table.where)
    except DataError as error:
        remedy = ["classes need trainer.data.task: classification"] if task == "regression" else []
        raise DataError([*error.violations, *remedy]) from error
    return pl.Series(name, values[:, 0])


def _weight(table: Table, data: Data, form: numbers.Form) -> Array | None:
    """The weights (N,), which are no feature; NaN where there is a gap."""
    if data.weight is None:
        return None
    name = spelling(data.weight).strip()
    column = Column(name=name, kind="number")
    weights: Array = Reader(column, form).features(table.cells.pop(name), table.where)[:, 0]
    return weights


@dataclass(frozen=True)
class Kept:
    """A column of the training file that is learnt from, and its features (N, F)."""

    reader: Reader
    features: Stored


@dataclass(frozen=True)
class Features:
    """The features (N, F) of each column of a file that is learnt from, and notes of the columns."""

    columns: Sequence[Stored]
    notes: Sequence[str]


def _stored(features: Array, path: Path) -> Stored:
    """Features (N, F), in a file if they are many."""
    if features.nbytes <= HELD:
        return features
    path.parent.mkdir(exist_ok=True)
    with named_in_errors(path):
        np.save(path, np.ascontiguousarray(features), allow_pickle=False)
    return StoredArray(path)


def _kept(
    train: Table,
    targets: Sequence[pl.Series],
    choices: Mapping[str, ColumnChoice],
    form: numbers.Form,
    folder: Path,
    wrong: Violations,
) -> tuple[list[Kept], tuple[str, ...]]:
    """The columns that are kept, and notes of the others and of what looks doubtful. train.cells is emptied."""
    kept: list[Kept] = []
    left_out: list[str] = []
    doubts: list[str] = []
    for name in list(train.cells):
        cells, said = train.cells.pop(name), choices.get(name)
        assert said != "drop"
        reason = dropping.useless(cells)
        with wrong.collected():
            found = None if reason else reader(cells, said, form, train.where)
            if found and said is None:
                reasons = (dropping.telling(cells, target) for target in targets)
                reason = dropping.identifying(cells, found.column) or next(filter(None, reasons), None)
            if found and not reason:
                kept.append(Kept(found, _stored(found.features(cells, train.where), folder / f"{len(kept)}.npy")))
            if reason:
                left_out.append(f"column {name!r} is left out: it {reason}")
            elif found and said is None and (doubt := dropping.doubtful(cells, found.column)):
                doubts.append(f"column {name!r} {doubt}")
    if not kept:
        wrong.check()
        raise DataError([f"{train.where.name}: no column is left to learn from", *left_out])
    return kept, (*left_out, *doubts)


def _held(table: Table, readers: Sequence[Reader], folder: Path) -> Features:
    """The columns of a file beside the training's."""
    notes = [
        f"{table.where.name}: {note}"
        for one in readers
        if one.column.kind == "category" and (note := unseen(table.cells[one.column.name], one.column))
    ]
    places = {one.column.name: place for place, one in enumerate(readers)}

    def features(one: Reader) -> Stored:
        found = one.features(table.cells.pop(one.column.name), table.where)
        return _stored(found, folder / f"{places[one.column.name]}.npy")

    found = gather(features, {one.column.name: one for one in readers})
    return Features(tuple(found.values()), tuple(notes))


def _part(
    table: Table, features: Features, targets: Sequence[pl.Series], order: NDArray[np.int64] | None = None
) -> Part:
    if targets[0].dtype == pl.String:
        distinct = targets[0].unique(maintain_order=True)
        number = targets[0].replace_strict(distinct, np.arange(len(distinct)), return_dtype=pl.Int64)
        y: Array = np.array(distinct.to_list(), dtype=str)[number.to_numpy()]
    else:
        y = np.column_stack([target.to_numpy() for target in targets])
    notes = (*table.notes, *features.notes)
    return Part(table.where.name, InColumns(features.columns), y, table.where.places, notes, order)
