"""Checks of what a source holds: the result is arrays that can be trained on, or every violation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from atelier_store.records import DataDescription
from atelier_store.spec import Data, Kind
from numpy.typing import NDArray

from atelier_trial.data.errors import DataError
from atelier_trial.data.sources import Part, RawData
from atelier_trial.data.split import TEST, split

Array = NDArray[Any]

LEAST = {"training, validation": 2, "training, validation, test": 3}


@dataclass(frozen=True)
class Checked:
    """Arrays as `DataDescription` has them, and the names of their classes."""

    kind: Kind
    labels: tuple[str, ...] | None
    arrays: dict[str, Array]


def check(data: Data, raw: RawData, seed: int) -> Checked:
    """Typed, finite, split and limited arrays. DataError with every violation."""
    violations: list[str] = []
    parts = [part for part in (raw.train, raw.test) if part is not None]
    kind = _kind(data, raw.train.x, violations)
    xs = [_features(kind, part, raw.feature_names, violations) for part in parts]
    if len({x.shape[1:] for x in xs}) > 1:
        violations.append(
            f"test examples have shape {xs[1].shape[1:]}; allowed: that of the training examples, {xs[0].shape[1:]}"
        )
    if data.task == "classification":
        labels, ys = _classes(data, raw, parts, violations)
    else:
        labels, ys = None, [_targets(part, violations) for part in parts]
        if data.labels is not None:
            violations.append("trainer.data.labels: only classes have labels; allowed for regression: none")
    violations += [
        f"{part.where}: {len(x)} examples but {len(y)} labels or targets"
        for part, x, y in zip(parts, xs, ys, strict=True)
        if len(x) != len(y)
    ]
    if violations:
        raise DataError(violations)
    if raw.test is None:
        _enough(raw.train.where, ys[0], labels, "training, validation, test")
        train_rows, test_rows = split(ys[0], data.test_fraction, seed, TEST)
        xs, ys = [xs[0][train_rows], xs[0][test_rows]], [ys[0][train_rows], ys[0][test_rows]]
    xs[0], ys[0] = xs[0][: data.limit], ys[0][: data.limit]
    _enough(raw.train.where, ys[0], labels, "training, validation")
    arrays = {"train_x": xs[0], "train_y": ys[0], "test_x": xs[1], "test_y": ys[1]}
    return Checked(kind, labels, {name: np.ascontiguousarray(array) for name, array in arrays.items()})


def describe(data: Data, raw: RawData, checked: Checked, source: str) -> DataDescription:
    """The description of the arrays, without the digest."""
    return DataDescription(
        digest="",
        kind=checked.kind,
        task=data.task,
        shape=checked.arrays["train_x"].shape[1:],
        labels=checked.labels,
        feature_names=raw.feature_names,
        target_name=raw.target_name or data.target,
        train_rows=len(checked.arrays["train_x"]),
        test_rows=len(checked.arrays["test_x"]),
        source=source,
    )


def _kind(data: Data, x: Array, violations: list[str]) -> Kind:
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


def _features(kind: Kind, part: Part, names: Sequence[str] | None, violations: list[str]) -> Array:
    x = part.x
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
    if x.dtype.kind not in "fiub":
        violations.append(f"{part.where}: features are {x.dtype}; allowed: numbers")
        return x

    def column(index: tuple[int, ...]) -> str:
        return f"column {names[index[1]]!r}" if names else f"feature {', '.join(map(str, index[1:]))}"

    return _finite(part, x, column, violations)


def _finite(part: Part, values: Array, column: Callable[[tuple[int, ...]], str], violations: list[str]) -> Array:
    with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, and is reported as such
        converted = values.astype(np.float32)
    wrong = ~np.isfinite(converted)
    if wrong.any():
        first = tuple(int(i) for i in np.unravel_index(int(wrong.argmax()), wrong.shape))
        value = f"{part.place(first[0])}, {column(first)}: {values[first]}"
        violations.append(
            f"{value} is not a finite float32 number; there are {int(wrong.sum())} such values; allowed: none"
        )
    return converted


def _targets(part: Part, violations: list[str]) -> Array:
    y = part.y.reshape(-1, 1) if part.y.ndim == 1 else part.y
    if y.dtype.kind not in "fiub" or y.ndim != 2 or 0 in y.shape:
        violations.append(
            f"{part.where}: targets are {y.dtype} of shape {part.y.shape}; "
            "allowed: numbers, (N,) or (N, T), nothing empty"
        )
        return y
    targets = _finite(part, y, lambda index: f"target {index[1]}", violations)
    if np.isfinite(targets).all() and (targets == targets[0]).all():
        violations.append(f"{part.where}: every target is {targets[0].tolist()}; there is nothing to learn")
    return targets


def _classes(
    data: Data, raw: RawData, parts: Sequence[Part], violations: list[str]
) -> tuple[tuple[str, ...], list[Array]]:
    """Labels, and class numbers (N,) int64 of each part."""
    if data.labels is not None and len(set(data.labels)) < len(data.labels):
        violations.append("trainer.data.labels: some are there twice; allowed: each once")
    flat = [part.y.reshape(-1) if part.y.ndim == 2 and part.y.shape[1] == 1 else part.y for part in parts]
    wrong = [
        f"{part.where}: labels have shape {y.shape}; allowed: (N,), nothing empty"
        for part, y in zip(parts, flat, strict=True)
        if y.ndim != 1 or not y.size
    ]
    if wrong:
        violations += wrong
        return (), [np.zeros(len(part.y), np.int64) for part in parts]
    if any(y.dtype.kind in "US" for y in flat):
        texts = [y.astype(str) for y in flat]
        labels = data.labels or tuple(_ordered(texts[0]))
        return labels, [_named(part, y, labels, violations) for part, y in zip(parts, texts, strict=True)]
    numbers = [_numbers(part, y, violations) for part, y in zip(parts, flat, strict=True)]
    labels = data.labels or raw.labels or tuple(map(str, range(max(int(y.max()) for y in numbers) + 1)))
    for part, y in zip(parts, numbers, strict=True):
        outside = (y < 0) | (y >= len(labels))
        if outside.any():
            first = int(outside.argmax())
            allowed = f"0 to {len(labels) - 1}" if len(labels) else "0 and above"
            violations.append(
                f"{part.place(first)}: label {y[first]} is out of range; there are {int(outside.sum())} such; "
                f"allowed: {allowed}"
            )
    return labels, numbers


def _ordered(texts: Array) -> list[str]:
    names = [str(text) for text in np.unique(texts)]
    return sorted(names, key=int) if all(name.isascii() and name.isdigit() for name in names) else names


def _named(part: Part, texts: Array, labels: Sequence[str], violations: list[str]) -> Array:
    number = {label: index for index, label in enumerate(labels)}
    unknown = [row for row, text in enumerate(texts) if text not in number]
    if unknown:
        first = unknown[0]
        allowed = ", ".join(labels[:20]) + (", …" if len(labels) > 20 else "")
        violations.append(
            f"{part.place(first)}: label {str(texts[first])!r} is unknown; there are {len(unknown)} such; "
            f"allowed: {allowed}"
        )
    return np.array([number.get(text, 0) for text in texts], dtype=np.int64)


def _numbers(part: Part, y: Array, violations: list[str]) -> Array:
    if y.dtype.kind not in "fiub":
        violations.append(f"{part.where}: labels are {y.dtype}; allowed: class numbers or names")
        return np.zeros(len(y), np.int64)
    with np.errstate(invalid="ignore"):
        wrong = (
            ~(np.isfinite(y) & (np.abs(y.astype(np.float64)) < 2**31) & (y == np.floor(y)))
            if y.dtype.kind == "f"
            else np.zeros(len(y), bool)
        )
    if wrong.any():
        first = int(wrong.argmax())
        violations.append(
            f"{part.place(first)}: label {y[first]} is not a whole number; there are {int(wrong.sum())} such; "
            "allowed: class numbers"
        )
    return np.where(wrong, 0, y).astype(np.int64)


def _enough(where: str, y: Array, labels: Sequence[str] | None, purposes: str) -> None:
    """DataError unless every class, or all rows of a regression, can be in every part that is needed."""
    least = LEAST[purposes]
    if labels is None:
        if len(y) < least:
            raise DataError([f"{where}: {len(y)} examples; at least {least} are needed ({purposes})"])
        return
    counts = np.bincount(y, minlength=len(labels))
    if np.count_nonzero(counts) < 2:
        raise DataError(
            [f"{where}: every example is of class {labels[int(counts.argmax())]!r}; at least two classes are needed"]
        )
    few = [(label, int(count)) for label, count in zip(labels, counts, strict=True) if count < least]
    violations = [
        f"{where}: class {label!r} has {count} examples; at least {least} are needed ({purposes})"
        for label, count in few[:20]
    ]
    if len(few) > 20:
        violations.append(f"{where}: and {len(few) - 20} more classes with too few examples")
    if violations:
        raise DataError(violations)
