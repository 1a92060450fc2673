"""Checks of what is predicted: targets, labels, and the numbers of classes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from decimal import Decimal

import numpy as np
from atelier_store import tables
from atelier_store.in_words import counted
from atelier_store.spec import Data

from atelier_trial.data.errors import DataError
from atelier_trial.data.features import float32s
from atelier_trial.data.raw import Array, Part, RawData, few

LEAST = {"training": 1, "training, validation": 2, "training, test": 2, "training, validation, test": 3}
"""How many examples of a class are needed for these purposes."""

MISSING = ("nan", "na", "n/a", "<na>", "null", "nil", "none", "?", "-")
"""How programs write that there is no label, in lower case."""

MOST_DIGITS = 20
"""Of a number whose spellings are compared."""

WHOLE = re.compile(r"[+-]?\d{1,18}(\.0*)?", re.ASCII)


def notes_of_labels(labels: Sequence[str]) -> list[str]:
    """Notes of classes that look like a missing label, or like each other, which only a person can tell."""
    notes = []
    if missing := [label for label in labels if label.strip().lower() in MISSING]:
        notes.append(f"classes called {', '.join(missing)}: if that means no label, leave these examples out")
    alike: dict[str, list[str]] = {}
    for label in labels:
        alike.setdefault(_alike(label), []).append(label)
    if several := [", ".join(map(repr, found)) for found in alike.values() if len(found) > 1]:
        notes.append(f"classes that differ by their spelling alone: {few(several)}; if each means one, spell it alike")
    if hidden := [repr(label) for label in labels if tables.seen(label) != label]:
        notes.append(f"classes with characters that nobody sees: {few(hidden)}")
    return notes


def _alike(label: str) -> str:
    """What labels have in common that differ by case, width, what nobody sees, or how a number is written.

    1, 01, 1.0 and 1e0 are alike, and so are Yes and yes.
    """
    text = tables.seen(unicodedata.normalize("NFKC", label)).strip()
    if not tables.NUMBER.fullmatch(text) or len(text) > MOST_DIGITS:
        return text.casefold()
    number = Decimal(text).as_tuple()
    digits = "".join(map(str, number.digits)).lstrip("0")
    without_zeros = digits.rstrip("0")
    return (
        f"{'-' * number.sign}{without_zeros} {int(number.exponent) + len(digits) - len(without_zeros)}"
        if digits
        else "0"
    )


def targets_of(raw: RawData, part: Part, violations: list[str]) -> Array:
    """A part's targets (N, T), float32. They may not all be the same."""
    names = raw.target_names
    y = part.y.reshape(-1, 1) if part.y.ndim == 1 else part.y
    if y.dtype.kind not in "fiub" or y.ndim != 2 or 0 in y.shape:
        violations.append(
            f"{part.where}: targets are {y.dtype} of shape {part.y.shape}; "
            "allowed: numbers, (N,) or (N, T), nothing empty"
        )
        return y
    before = len(violations)
    targets = float32s(part, y, lambda number: f"target {repr(names[number]) if names else number}", violations)
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


def labels_of(
    data: Data, raw: RawData, parts: Sequence[Part], violations: list[str]
) -> tuple[tuple[str, ...], list[Array]]:
    """The names of labels that a row may have, and 1 or 0 for each (N, T), float32."""
    ys = [part.y.reshape(-1, 1) if part.y.ndim == 1 else part.y for part in parts]
    width = ys[0].shape[1] if ys[0].ndim == 2 else 0
    own = raw.target_names or (raw.target_name and (raw.target_name,)) or tuple(map(str, range(width)))
    labels = tuple(map(tables.spelling, data.labels)) if data.labels is not None else own
    if len(labels) != width:
        violations.append(
            f"trainer.data.labels: {counted(len(labels), 'name')} for {counted(width, 'label')}; allowed: one for each"
        )
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


def classes_of(
    data: Data, raw: RawData, parts: Sequence[Part], violations: list[str]
) -> tuple[tuple[str, ...], list[Array]]:
    """Labels, and class numbers (N,) int64 of each part."""
    labels = data.labels and tuple(map(tables.spelling, data.labels))
    if labels is not None and len(set(labels)) < len(labels):
        violations.append("trainer.data.labels: some are there twice; allowed: each once")
    if labels is not None and not all(map(tables.name, labels)):
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
    nameless = np.flatnonzero(~np.array([bool(tables.name(text)) for text in as_text])[of_row])
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


def check_classes(where: str, y: Array, labels: Sequence[str], purposes: str, part: Part | None = None) -> None:
    """DataError unless every class can be in every part that is needed. part is that of which y are all rows."""
    least = LEAST[purposes]
    counts = np.bincount(y, minlength=len(labels))
    if np.count_nonzero(counts) < 2:
        raise DataError(
            [f"{where}: every example is of class {labels[int(counts.argmax())]!r}; at least two classes are needed"]
        )
    scarce = {label: int(count) for label, count in zip(labels, counts, strict=True) if count < least}
    needs = f"at least {least} are needed ({purposes})"
    if len(scarce) > 20:
        found = f"{len(scarce):,} of {len(labels):,} classes have too few examples"
        examples = few([f"{label!r} ({count})" for label, count in scarce.items()])
        remedy = "numbers to predict need trainer.data.task: regression"
        raise DataError([f"{where}: {found}: {examples}; {needs}; {remedy}"])
    if scarce:
        places = {label: _places(part, np.flatnonzero(y == labels.index(label))) for label in scarce}
        raise DataError(
            [
                f"{where}: class {label!r} has {counted(count, 'example')}; {needs}{places[label]}"
                for label, count in scarce.items()
            ]
        )


def _places(part: Part | None, rows: Array) -> str:
    """Where a few rows of a part are, in words that follow others; nothing if that is not known."""
    return f": {', '.join(part.short(row) for row in rows)}" if part is not None and len(rows) else ""
