"""Checks of what a source holds: the result is arrays that can be trained on, or every violation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from atelier_store.arrays import ORDER, TEST_WEIGHT, TRAIN_WEIGHT
from atelier_store.in_words import counted
from atelier_store.records import Column, DataDescription
from atelier_store.spec import Data, Kind
from atelier_store.split import TEST, share, split

from atelier_trial.data.errors import DataError
from atelier_trial.data.features import features_of, kind_of, note_of_names, note_of_series, of_constants
from atelier_trial.data.predicted import check_classes, classes_of, labels_of, notes_of_labels, targets_of
from atelier_trial.data.raw import Array, InColumns, Part, RawData, Readable, beneath, few, held
from atelier_trial.data.tables.levels import join_rare

LEAST_TRAINED_ON = 2
"""Examples; the built-in networks normalise over a batch, which one alone does not allow."""


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
    kind = kind_of(data, raw.train.x, violations)
    if raw.columns is not None and kind != "rows":
        violations.append(f"trainer.data.kind: is {kind}; allowed for a table: rows or auto")
    x = {name: features_of(kind, part, raw, violations) for name, part in parts.items()}
    violations += [] if violations else of_constants(kind, raw.train, x["training"])
    violations += [
        _of_another_shape(name, of.shape[1:], x["training"].shape[1:])
        for name, of in x.items()
        if of.shape[1:] != x["training"].shape[1:]
    ]
    if data.task == "classification":
        labels, ys = classes_of(data, raw, list(parts.values()), violations)
    elif data.task == "multilabel":
        labels, ys = labels_of(data, raw, list(parts.values()), violations)
    else:
        labels, ys = None, [targets_of(raw, part, violations) for part in parts.values()]
        violations += [
            f"{part.where}: targets have shape {of.shape}; allowed: as many as in training, {ys[0].shape}"
            for part, of in zip(parts.values(), ys, strict=True)
            if of.shape[1:] != ys[0].shape[1:]
        ]
        if data.labels is not None:
            violations.append("trainer.data.labels: only classes have labels; allowed for regression: none")
    weight = {} if data.weight is None else {role: _weights(of, data.weight, violations) for role, of in parts.items()}
    violations += [
        f"{part.where}: {counted(len(x), 'example')} but {len(y):,} labels or targets"
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
            check_classes(raw.train.where, y["training"], labels, f"{needed}, test", raw.train)
        _enough_ranks(data, raw.train, order, f"{needed}, test")
        train_rows, test_rows = split(y["training"], data.test_fraction, seed, TEST, by, order)
        for of in of_rows:
            of["training"], of["test"] = of["training"][train_rows], of["training"][test_rows]
        order = order if order is None else order[train_rows]
    notes = [note for part in parts.values() for note in part.notes]
    notes += note_of_series(kind, x["training"]) + notes_of_labels(labels or ()) + note_of_names(raw)
    if data.limit is not None and len(x["training"]) > data.limit:
        left_out = (
            f"left out: {counted(len(x['training']) - data.limit, 'training example')} (beyond trainer.data.limit)"
        )
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
        check_classes(where, y["training"], labels, needed)
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
    is_wrong = ~((weights >= 0) & np.isfinite(weights))
    is_empty = np.isnan(weights) & (part.places is not None)  # of a table: an array has no empty cells
    for of, words in ((is_wrong & is_empty, "is empty"), (is_wrong & ~is_empty, None)):
        rows = np.flatnonzero(of)
        if rows.size:
            value = f"{part.place(rows[0])}, weight {name!r}: {words or given[rows[0]]}"
            violations.append(f"{value}; {part.such(rows)}; allowed: finite numbers from 0")
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
    found = counted(len(np.unique(order)), "different value")
    raise DataError(
        [
            f"{part.where}: trainer.data.split.column: {data.split.column!r} has {found} in these rows; at least "
            f"{least} are needed ({purposes})"
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
        reasons = (
            [f"column {description.split.column!r} has {counted(found, 'different value')}"] if found < least else []
        )
    elif labels and (description.split is None or description.split.by == "stratified"):
        least = count
        counts = zip(labels, np.bincount(y, minlength=len(labels)).tolist(), strict=True)
        reasons = [f"class {label!r} has {counted(number, 'example')}" for label, number in counts if number < least]
    else:
        least = LEAST_TRAINED_ON * count
        reasons = [f"there are {len(y):,} examples"] if len(y) < least else []
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
