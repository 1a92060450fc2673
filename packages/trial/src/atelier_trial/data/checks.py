"""Checks of what a source holds: the result is arrays that can be trained on, or every violation."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from atelier_store import tables
from atelier_store.arrays import ORDER, TEST_WEIGHT, TRAIN_WEIGHT
from atelier_store.records import Column, DataDescription
from atelier_store.spec import Data, Kind, has_channels
from atelier_store.split import TEST, share, split

from atelier_trial.data.errors import DataError
from atelier_trial.data.raw import Array, Examples, InColumns, Part, RawData, Readable, beneath, few, held
from atelier_trial.data.tables.levels import join_rare

LEAST = {"training": 1, "training, validation": 2, "training, test": 2, "training, validation, test": 3}
"""How many examples of a class are needed for these purposes."""

LEAST_TRAINED_ON = 2
"""Examples; the built-in networks normalise over a batch, which one alone does not allow."""

MISSING = ("nan", "na", "n/a", "<na>", "null", "nil", "none", "?", "-")
"""How programs write that there is no label, in lower case."""

WHOLE = re.compile(r"[+-]?\d{1,18}(\.0*)?", re.ASCII)

COARSEST = 1e-3
"""How far float32 may move a value, in standard deviations of its feature."""


@dataclass(frozen=True)
class Checked:
    """Arrays as `DataDescription` has them, the names of their classes, and what a person should know of them.

    validation_rows, if they have a file of their own, are the last of the training arrays.
    """

    kind: Kind
    labels: tuple[str, ...] | None
    arrays: dict[str, Array | Readable]
    notes: tuple[str, ...]
    columns: tuple[Column, ...] | None = None
    validation_rows: int | None = None


def check(data: Data, raw: RawData, seed: int) -> Checked:
    """Typed, finite, split and limited arrays. DataError with every violation."""
    violations: list[str] = []
    given = {"training": raw.train, "validation": raw.validation, "test": raw.test}
    parts = {name: part for name, part in given.items() if part is not None}
    kind = _kind(data, raw.train.x, violations)
    if raw.columns is not None and kind != "rows":
        violations.append(f"trainer.data.kind: is {kind}; allowed for a table: rows or auto")
    x = {name: _features(kind, part, raw, violations) for name, part in parts.items()}
    violations += [] if violations else _of_constants(kind, raw.train, x["training"])
    violations += [
        _of_another_shape(name, of.shape[1:], x["training"].shape[1:])
        for name, of in x.items()
        if of.shape[1:] != x["training"].shape[1:]
    ]
    if data.task == "classification":
        labels, ys = _classes(data, raw, list(parts.values()), violations)
    elif data.task == "multilabel":
        labels, ys = _labels(data, raw, list(parts.values()), violations)
    else:
        labels, ys = None, [_targets(raw, part, violations) for part in parts.values()]
        violations += [
            f"{part.where}: targets have shape {of.shape}; allowed: as many as in training, {ys[0].shape}"
            for part, of in zip(parts.values(), ys, strict=True)
            if of.shape[1:] != ys[0].shape[1:]
        ]
        if data.labels is not None:
            violations.append("trainer.data.labels: only classes have labels; allowed for regression: none")
    weight = {} if data.weight is None else {role: _weights(of, data.weight, violations) for role, of in parts.items()}
    violations += [
        f"{part.where}: {len(x)} examples but {len(y)} labels or targets"
        for part, x, y in zip(parts.values(), x.values(), ys, strict=True)
        if len(x) != len(y)
    ]
    if violations:
        raise DataError(violations)
    y = dict(zip(parts, ys, strict=True))
    of_rows: list[dict[str, Any]] = [x, y, weight] if weight else [x, y]
    by, order = data.split.by if data.split else None, raw.train.order
    needed = "training" if raw.validation else "training, validation"
    if raw.test is None:
        if labels and data.task == "classification":
            _enough(raw.train.where, y["training"], labels, f"{needed}, test")
        _enough_ranks(data, raw.train, order, f"{needed}, test")
        train_rows, test_rows = split(y["training"], data.test_fraction, seed, TEST, by, order)
        for of in of_rows:
            of["training"], of["test"] = of["training"][train_rows], of["training"][test_rows]
        order = order if order is None else order[train_rows]
    notes = [note for part in parts.values() for note in part.notes]
    notes += _of_series(kind, x["training"]) + _of_labels(labels or ())
    if data.limit is not None and len(x["training"]) > data.limit:
        left_out = f"left out: {len(x['training']) - data.limit:,} training examples (beyond trainer.data.limit)"
        notes.append(f"{raw.train.where}: {left_out}")
    for of in of_rows:
        of["training"] = of["training"][: data.limit]
    order = order if order is None else order[: data.limit]
    _enough_ranks(data, raw.train, order, needed)
    columns = raw.columns
    if columns is not None:
        features = {role: of for role, of in x.items() if isinstance(of, InColumns)}
        columns, joined = join_rare(columns, list(features.values()))
        x |= {role: held(of) for role, of in features.items() if of.is_held}
        notes += joined
    rows, validated = len(y["training"]), len(y["validation"]) if raw.validation else None
    if labels and data.task == "classification":
        limited = data.limit is not None and data.limit == rows
        where = f"{raw.train.where}, the first {rows:,} of trainer.data.limit" if limited else raw.train.where
        _enough(where, y["training"], labels, needed)
    else:
        check_training_rows(raw.train.where, rows, share(rows, data.validation_fraction) if validated is None else 0)
    check_weights(data, raw.train.where, {f"of the {name}": of for name, of in weight.items()})
    tests = zip(("test_x", "test_y", TEST_WEIGHT), of_rows, strict=False)
    arrays: dict[str, Array | Readable] = {name: of.pop("test") for name, of in tests}
    learnt = zip(("train_x", "train_y", TRAIN_WEIGHT), of_rows, strict=False)
    arrays |= {name: beneath(list(of.values())) for name, of in learnt}
    if order is not None:
        arrays[ORDER] = np.unique(order, return_inverse=True)[1].astype(np.int64)
    return Checked(kind, labels, arrays, tuple(notes), columns, validated)


def _of_another_shape(name: str, shape: tuple[int, ...], of_training: tuple[int, ...]) -> str:
    swapped = " (their axes are in another order)" if sorted(shape) == sorted(of_training) else ""
    return f"{name} examples have shape {shape}; allowed: that of the training examples, {of_training}{swapped}"


def _weights(part: Part, name: str, violations: list[str]) -> Array:
    """The weights of a part (N,), float32."""
    given = part.weight
    if given is None or given.shape != (len(part.x),) or given.dtype.kind not in "fiub":
        found = "is missing" if given is None else f"is {given.dtype} of shape {given.shape}"
        violations.append(f"{part.where}: trainer.data.weight: {name!r} {found}; allowed: numbers ({len(part.x)},)")
        return np.ones(len(part.x), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # what is beyond float32 becomes infinite, and is reported
        weights = given.astype(np.float32)
    wrong = np.flatnonzero(~((weights >= 0) & np.isfinite(weights)))
    if wrong.size:
        value = f"{part.place(wrong[0])}, weight {name!r}: {given[wrong[0]]}"
        violations.append(f"{value}; {part.such(wrong)}; allowed: finite numbers from 0")
    return weights


def check_weights(data: Data, where: str, weights: Mapping[str, Array]) -> None:
    """DataError if all weights of some rows, by what they are for, are 0."""
    if none := [rows for rows, of in weights.items() if not of.any()]:
        raise DataError(
            [f"{where}: trainer.data.weight: {data.weight!r} is 0 in every row {rows}; allowed: more" for rows in none]
        )


def _enough_ranks(data: Data, part: Part, order: Array | None, purposes: str) -> None:
    least = purposes.count(",") + 1
    if data.split is None or order is None or len(np.unique(order)) >= least:
        return
    found = len(np.unique(order))
    raise DataError(
        [
            f"{part.where}: trainer.data.split.column: {data.split.column!r} has {found} different values in these "
            f"rows; at least {least} are needed ({purposes})"
        ]
    )


def check_training_rows(where: str, rows: int, validation: int) -> None:
    """DataError unless enough of the rows of a regression, without those of its test set, are left to train on."""
    if rows - validation < LEAST_TRAINED_ON:
        raise DataError(
            [
                f"{where}: {rows - validation} left to train on beside {validation} to validate, after the test set; "
                f"at least {LEAST_TRAINED_ON} are needed: add examples, or lower trainer.data.testFraction or "
                "validationFraction"
            ]
        )


def check_folds(data: Data, description: DataDescription, y: Array, order: Array | None) -> None:
    """DataError unless there are enough rows of each class, or groups, or times, for each fold."""
    count = data.folds or 1
    field, where = f"trainer.data.folds: {count}", f"the training rows of {data.words}"
    labels = description.labels if description.task == "classification" else None
    if description.split is not None and order is not None:
        found, is_time = len(np.unique(order)), description.split.by == "time"
        least = count + is_time
        reasons = [f"column {description.split.column!r} has {found} different values"] if found < least else []
    elif labels and (description.split is None or description.split.by == "stratified"):
        least = count
        counts = zip(labels, np.bincount(y, minlength=len(labels)).tolist(), strict=True)
        reasons = [f"class {label!r} has {number} examples" for label, number in counts if number < least]
    else:
        least = LEAST_TRAINED_ON * count
        reasons = [f"there are {len(y)} examples"] if len(y) < least else []
    if reasons:
        raise DataError([f"{field}: in {where}, {few(reasons)}; at least {least} are needed"])


def describe(data: Data, raw: RawData, checked: Checked, source: str) -> DataDescription:
    """The description of the arrays, without the digest."""
    fit = data.image.fit if data.image and checked.kind == "images" else None
    return DataDescription(
        digest="",
        kind=checked.kind,
        task=data.task,
        shape=checked.arrays["train_x"].shape[1:],
        columns=checked.columns,
        missing=raw.missing,
        split=data.split,
        fit=None if fit == "stretch" else fit,
        labels=checked.labels,
        feature_names=raw.feature_names,
        target_name=None if data.task == "multilabel" else raw.target_name,
        target_names=None if data.task == "multilabel" else raw.target_names,
        weight_name=data.weight,
        train_rows=len(checked.arrays["train_x"]),
        validation_rows=checked.validation_rows,
        test_rows=len(checked.arrays["test_x"]),
        source=source,
    )


def _kind(data: Data, x: Examples, violations: list[str]) -> Kind:
    if data.kind != "auto":
        return data.kind
    if x.dtype == np.uint8 and x.ndim in (3, 4):
        return "images"
    if x.ndim != 2:
        violations.append(
            f"trainer.data.kind: {x.dtype} examples of shape {x.shape[1:]} may be several things; "
            "say images, signals or rows"
        )
    return "rows"


DIMENSIONS: dict[Kind, tuple[int, ...]] = {"images": (3, 4), "signals": (2, 3), "rows": (2,)}
SHAPES: dict[Kind, str] = {"images": "(N, H, W) or (N, H, W, C)", "signals": "(N, L) or (N, L, C)", "rows": "(N, F)"}


def _features(kind: Kind, part: Part, raw: RawData, violations: list[str]) -> Examples:
    if raw.columns is not None:
        return _of_columns(part, raw.columns, violations)
    x, names = part.x, raw.feature_names
    if x.ndim not in DIMENSIONS[kind] or 0 in x.shape:
        violations.append(
            f"{part.where}: examples have shape {x.shape}; allowed for {kind}: {SHAPES[kind]}, nothing empty"
        )
        return x
    if kind == "images":
        if x.dtype != np.uint8:
            violations.append(f"{part.where}: pixels are {x.dtype}; allowed: uint8, from 0 to 255")
        if x.ndim == 4 and x.shape[3] > 4 >= x.shape[1]:
            violations.append(f"{part.where}: pictures have shape {x.shape[1:]}; channels must come last")
        return x
    x = held(x)
    if x.dtype.kind not in "fiub":
        violations.append(f"{part.where}: features are {x.dtype}; allowed: numbers")
        return x

    def column(*index: int) -> str:
        return f"column {names[index[0]]!r}" if names else f"feature {', '.join(map(str, index))}"

    if kind == "rows":
        return _float32(part, x, column, violations)
    channels = x.reshape(len(x), -1, x.shape[-1] if has_channels(kind, x.shape[1:]) else 1)
    return _float32(part, channels, lambda *index: f"step {index[0]}, channel {index[1]}", violations).reshape(x.shape)


def _of_columns(part: Part, columns: Sequence[Column], violations: list[str]) -> InColumns:
    """Features of a table's columns, in which numbers may be missing."""
    x = part.x
    assert isinstance(x, InColumns)
    for number, column in enumerate(columns):
        if column.kind == "number":
            _float32(part, x.column(number), lambda *_, name=column.name: f"column {name!r}", violations, gaps=True)
    return x.astype(np.float32)


def _of_constants(kind: Kind, part: Part, x: Examples) -> list[str]:
    """A line if no row of numbers is other than the first. Of a table, columns of one value are left out one by one."""
    if kind != "rows" or not isinstance(x, np.ndarray) or len(x) < 2 or (x != x[0]).any():
        return []
    return [f"{part.where}: every feature is the same in every row; there is nothing to learn from"]


def _of_series(kind: Kind, x: Examples) -> list[str]:
    """A note if series look as if their axes were swapped, which only a person can tell."""
    if kind != "signals" or x.ndim != 3 or x.shape[2] <= x.shape[1]:
        return []
    return [
        f"series have {x.shape[1]:,} steps of {x.shape[2]:,} channels: if it is the other way round, "
        "swap the axes; allowed: (N, length, channels)"
    ]


def _of_labels(labels: Sequence[str]) -> list[str]:
    """Notes of classes that look like a missing label, or like each other, which only a person can tell."""
    notes = []
    if missing := [label for label in labels if label.strip().lower() in MISSING]:
        notes.append(f"classes called {', '.join(missing)}: if that means no label, leave these examples out")
    alike: dict[str, list[str]] = {}
    for label in labels:
        alike.setdefault(_alike(label), []).append(label)
    if several := [", ".join(map(repr, found)) for found in alike.values() if len(found) > 1]:
        notes.append(f"classes that differ by their spelling alone: {few(several)}; if each means one, spell it alike")
    return notes


def _alike(label: str) -> str:
    """What labels have in common that differ by case, spaces, or zeros of a number: 1, 01 and 1.0; Yes and yes."""
    text = label.strip()
    return str(int(text.partition(".")[0])) if WHOLE.fullmatch(text) else text.casefold()


def _float32(part: Part, values: Array, column: Callable[..., str], violations: list[str], gaps: bool = False) -> Array:
    """The values (N, F), or (N, L, C), as float32; column names the place of one by its index without the row.

    With gaps, values (N, 1) may be NaN.
    """
    with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, and is reported as such
        converted = values.astype(np.float32)
    wrong = ~(np.isfinite(converted) | (np.isnan(values) if gaps else False))
    if wrong.any():
        first = tuple(int(i) for i in np.unravel_index(int(wrong.argmax()), wrong.shape))
        value = f"{part.place(first[0])}, {column(*first[1:])}: {values[first]}"
        violations.append(
            f"{value} is not a finite float32 number; there are {int(wrong.sum())} such values; allowed: none"
        )
    elif not np.can_cast(values.dtype, np.float32):
        violations += [
            f"{part.where}, {column(*(0,) * (values.ndim - 2), number)}: {reason}"
            for number, reason in _indistinct(values[np.isfinite(values).all(1)] if gaps else values)
        ]
    return converted


def _indistinct(values: Array) -> list[tuple[int, str]]:
    """The number of each column, along the last axis, whose values float32 holds too coarsely, and why."""
    table = values.reshape(-1, values.shape[-1])
    table = table[:: max(1, len(table) // 1_000_000)]  # as good as all, and far less memory
    width = max(1, 4_000_000 // len(table))
    coarse = np.concatenate([_is_coarse(table[:, at : at + width]) for at in range(0, table.shape[1], width)])
    remedy = "scale them" if np.abs(table).max() < np.finfo(np.float32).tiny else "subtract a constant"
    return [
        (
            number,
            f"float32, which networks compute in, does not tell values near {np.median(table[:, number])} apart; "
            f"{remedy}, here and in requests",
        )
        for number in np.flatnonzero(coarse).tolist()[:20]
    ]


def _is_coarse(table: Array) -> Array:
    """Whether float32 moves the values of each column of (N, F) by much, in terms of how far they lie apart.

    The middle half of a column is also looked at by itself: one outlier must not hide that all others are the same.
    """
    moved = np.abs(table - table.astype(np.float32).astype(np.float64))
    least = table.min(0)
    above = table - least  # exact for large whole numbers, too
    first, third, high = np.percentile(above, [25, 75, 100], axis=0)
    middle = np.where((above >= first) & (above <= third), moved, 0).max(0)
    noise = 16 * np.finfo(table.dtype).eps if table.dtype.kind == "f" else 0  # the last bits of their own type
    whole = (moved.max(0) > COARSEST * above.std(0, dtype=np.float64)) & (high > noise * np.abs(table).max(0))
    coarse: Array = whole | (middle > COARSEST * (third - first)) & (third - first > noise * np.abs(least + third))
    return coarse


def _targets(raw: RawData, part: Part, violations: list[str]) -> Array:
    names = raw.target_names
    y = part.y.reshape(-1, 1) if part.y.ndim == 1 else part.y
    if y.dtype.kind not in "fiub" or y.ndim != 2 or 0 in y.shape:
        violations.append(
            f"{part.where}: targets are {y.dtype} of shape {part.y.shape}; "
            "allowed: numbers, (N,) or (N, T), nothing empty"
        )
        return y
    before = len(violations)
    targets = _float32(part, y, lambda number: f"target {repr(names[number]) if names else number}", violations)
    if part is not raw.train or len(violations) > before:
        return targets
    constant = (targets == targets[0]).all(0)
    if constant.all():
        value = ", ".join(f"{target:.6g}" for target in targets[0].tolist())
        violations.append(f"{part.where}: every target is {value}; there is nothing to learn")
    elif names:
        violations += [
            f"{part.where}: target {names[place]!r} is {targets[0, place]:.6g} in every row; leave it out"
            for place in np.flatnonzero(constant).tolist()
        ]
    return targets


def _labels(
    data: Data, raw: RawData, parts: Sequence[Part], violations: list[str]
) -> tuple[tuple[str, ...], list[Array]]:
    """The names of labels that a row may have, and 1 or 0 for each (N, T), float32."""
    ys = [part.y.reshape(-1, 1) if part.y.ndim == 1 else part.y for part in parts]
    width = ys[0].shape[1] if ys[0].ndim == 2 else 0
    own = raw.target_names or (raw.target_name and (raw.target_name,)) or tuple(map(str, range(width)))
    labels = tuple(map(tables.spelling, data.labels)) if data.labels is not None else own
    if len(labels) != width:
        violations.append(f"trainer.data.labels: {len(labels)} names for {width} labels; allowed: one for each")
    for part, y in zip(parts, ys, strict=True):
        if y.dtype.kind not in "fiub" or y.ndim != 2 or 0 in y.shape or y.shape[1] != width:
            found = f"{y.dtype} of shape {part.y.shape}"
            violations.append(f"{part.where}: labels are {found}; allowed: 0 and 1, (N, T), as many in every part")
            continue
        wrong = np.argwhere((y != 0) & (y != 1))
        if wrong.size:
            row, place = wrong[0]
            value = f"{part.place(row)}, label {own[place]!r}: {y[row, place]}"
            violations.append(f"{value}; {part.such(np.unique(wrong[:, 0]))}; allowed: 0 and 1")
    if not violations:
        violations += [
            f"{raw.train.where}: label {label!r} is {int(of[0])} in every row; leave it out"
            for label, of in zip(labels, ys[0].T, strict=True)
            if (of == of[0]).all()
        ]
    return labels, [y.astype(np.float32) for y in ys] if not violations else [np.zeros(len(y), np.float32) for y in ys]


def _classes(
    data: Data, raw: RawData, parts: Sequence[Part], violations: list[str]
) -> tuple[tuple[str, ...], list[Array]]:
    """Labels, and class numbers (N,) int64 of each part."""
    labels = data.labels and tuple(map(tables.spelling, data.labels))
    if labels is not None and len(set(labels)) < len(labels):
        violations.append("trainer.data.labels: some are there twice; allowed: each once")
    if labels is not None and not all(label.strip() for label in labels):
        violations.append("trainer.data.labels: some are empty; allowed: a name for each class")
    before = len(violations)
    named = [_names(part, violations) for part in parts]
    if len(violations) > before:
        return (), [np.zeros(len(part.y), np.int64) for part in parts]
    if raw.labels and not labels:
        return raw.labels, [part.y.astype(np.int64) for part in parts]
    is_numeric = raw.train.y.dtype.kind not in "US"
    names = _ordered(named[0], is_numeric)
    number = _given(names, labels, is_numeric) if labels else {name: index for index, name in enumerate(names)}
    return labels or tuple(names), [
        _numbered(part, texts, number, violations) for part, texts in zip(parts, named, strict=True)
    ]


def _names(part: Part, violations: list[str]) -> Array:
    """The class of each example as text (N,): a number without a fraction, too."""
    y = part.y.reshape(-1) if part.y.ndim == 2 and part.y.shape[1] == 1 else part.y
    if y.ndim != 1 or not y.size:
        violations.append(f"{part.where}: labels have shape {y.shape}; allowed: (N,), nothing empty")
    elif y.dtype.kind in "US":
        return _texts(part, y, violations)
    elif y.dtype.kind in "fiub":
        return _whole(part, y, violations)
    else:
        violations.append(f"{part.where}: labels are {y.dtype}; allowed: class numbers or names")
    return np.array([], dtype=str)


def _texts(part: Part, y: Array, violations: list[str]) -> Array:
    distinct, of_row = np.unique(y, return_inverse=True)
    as_text = [text.decode(errors="backslashreplace") if isinstance(text, bytes) else str(text) for text in distinct]
    spelt = np.array([tables.spelling(text) for text in as_text], dtype=str)[of_row]
    nameless = np.flatnonzero(np.char.strip(spelt) == "")
    if nameless.size:
        violations.append(f"{part.place(nameless[0])}: no label; {part.such(nameless)}; allowed: none")
    return spelt


def _whole(part: Part, y: Array, violations: list[str]) -> Array:
    if y.dtype.kind == "f":
        most = 2.0 ** (np.finfo(y.dtype).nmant + 1)  # beyond it, whole numbers share a float
        with np.errstate(invalid="ignore"):
            wrong = np.flatnonzero(~(np.isfinite(y) & (np.abs(y) <= most) & (y == np.floor(y))))
        if wrong.size:
            violations.append(
                f"{part.place(wrong[0])}: label {y[wrong[0]]} is not a whole number that {y.dtype} holds exactly; "
                f"{part.such(wrong)}; allowed: class numbers or names"
            )
            return np.array([], dtype=str)
    distinct, of_row = np.unique(y, return_inverse=True)
    return np.array([str(int(value)) for value in distinct], dtype=str)[of_row]


def _ordered(texts: Array, is_numeric: bool) -> list[str]:
    """Distinct names: numbers in their order, others in that of their characters."""
    names = [str(text) for text in np.unique(texts)]
    is_numeric = is_numeric or all(name.isascii() and name.isdigit() for name in names)
    return sorted(names, key=int) if is_numeric else names


def _given(names: Sequence[str], labels: Sequence[str], is_numeric: bool) -> dict[str, int]:
    """The class number of each name that is allowed, if the profile has labels.

    Labels are names, or the names of numbers: of those from 0, or of as many others in their order. A text that is a
    label is never a number; a number in range is never a label.
    """
    own = {label: index for index, label in enumerate(labels)}
    numbers = {name: int(name.partition(".")[0]) for name in names if WHOLE.fullmatch(name)}
    distinct = sorted(set(numbers.values()))
    is_named = not own.keys().isdisjoint(names)
    in_range = all(0 <= value < len(labels) for value in distinct)
    if len(numbers) < len(names) or (is_named and not (is_numeric and in_range)):
        return own
    if in_range:
        return numbers
    if len(distinct) == len(labels):
        return {name: distinct.index(value) for name, value in numbers.items()}
    return {str(index): index for index in range(len(labels))}


def _numbered(part: Part, texts: Array, number: Mapping[str, int], violations: list[str]) -> Array:
    distinct, of_row = np.unique(texts, return_inverse=True)
    numbers = np.array([number.get(str(text), -1) for text in distinct], dtype=np.int64)[of_row]
    unknown = np.flatnonzero(numbers < 0)
    if unknown.size:
        violations.append(
            f"{part.place(unknown[0])}: label {str(texts[unknown[0]])!r} is unknown; {part.such(unknown)}; "
            f"allowed: {few(list(number), 20)}"
        )
    return numbers


def _enough(where: str, y: Array, labels: Sequence[str], purposes: str) -> None:
    """DataError unless every class can be in every part that is needed."""
    least = LEAST[purposes]
    counts = np.bincount(y, minlength=len(labels))
    if np.count_nonzero(counts) < 2:
        raise DataError(
            [f"{where}: every example is of class {labels[int(counts.argmax())]!r}; at least two classes are needed"]
        )
    scarce = [(label, int(count)) for label, count in zip(labels, counts, strict=True) if count < least]
    needs = f"at least {least} are needed ({purposes})"
    if len(scarce) > 20:
        found = f"{len(scarce):,} of {len(labels):,} classes have too few examples"
        examples = few([f"{label!r} ({count})" for label, count in scarce])
        remedy = "numbers to predict need trainer.data.task: regression"
        raise DataError([f"{where}: {found}: {examples}; {needs}; {remedy}"])
    if scarce:
        raise DataError([f"{where}: class {label!r} has {count} examples; {needs}" for label, count in scarce])
