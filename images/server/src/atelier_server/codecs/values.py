"""JSON values to arrays: converted exactly, or every value that does not fit is named."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain
from types import NoneType
from typing import Any

import numpy as np
from atelier_store.in_words import counted

from atelier_server.codecs.violations import Violation
from atelier_server.models.runtime import DATATYPES

KINDS: dict[str, set[type]] = {"BOOL": {bool}, "BYTES": {str}}
"""Python's types of a datatype's values in JSON, where they are no numbers."""


def convert(value: Any, depth: int, datatype: str, gap: str | None = None) -> np.ndarray | None:
    """A list of lists, depth deep, as an array of this datatype; None if it is ragged or a value does not fit.

    With a word for it, null is a gap: NaN, or an empty text. Runs no Python code per number.
    """
    leaves, wanted = value, DATATYPES[datatype]
    for _ in range(depth - 1):
        leaves = chain.from_iterable(leaves)
    try:
        kinds = set(map(type, leaves))
        if kinds - KINDS.get(datatype, {int, float}) - ({NoneType} if gap else set()):
            return None
        if NoneType in kinds or datatype == "BYTES":
            return _with_gaps(np.array(value, dtype=object), depth, datatype)
        # numpy would convert a mixture to floats, and large whole numbers would lose digits
        array = np.array(value, dtype=object if len(kinds) > 1 and wanted.kind in "iu" else None)
        return _cast(array, wanted) if array.ndim == depth else None
    except (TypeError, ValueError, OverflowError):
        return None


def _with_gaps(array: np.ndarray, depth: int, datatype: str) -> np.ndarray | None:
    """Texts, or floats as objects, with the gap of their datatype for None."""
    if array.ndim != depth:
        return None
    if datatype == "BYTES":
        texts = ["" if text is None else text for text in array.ravel().tolist()]
        return np.array(texts, dtype=object).reshape(array.shape)
    with np.errstate(over="ignore"):
        floats: np.ndarray = array.astype(np.float64).astype(DATATYPES[datatype])
    return None if np.isinf(floats).any() else floats


def _cast(array: np.ndarray, wanted: np.dtype[Any]) -> np.ndarray | None:
    """The same numbers in this type; None if one is not finite, not whole or out of range.

    Raises OverflowError if one is beyond every float.
    """
    if wanted.kind == "b":
        return array
    if wanted.kind == "f":
        with np.errstate(over="ignore"):
            floats = array.astype(wanted)
        return floats if np.isfinite(floats).all() else None
    limits = np.iinfo(wanted)
    # NaN is outside all limits. 2**63 as a float is inside those of INT64: the comparison at the end rejects it.
    with np.errstate(invalid="ignore"):
        if array.size and not (array.min() >= limits.min and array.max() <= limits.max):
            return None
        whole = array.astype(wanted)
    return whole if array.dtype.kind in "iu" or np.array_equal(whole, array) else None


def check(value: Any, datatype: str, gap: str | None = None) -> str | None:
    """What is wrong with one value; None if it is of this datatype, or a gap, where gap is a word for one."""
    if value is None and gap:
        return None
    or_gap = f" or {gap}" if gap else ""
    if datatype == "BOOL":
        return None if isinstance(value, bool) else f"must be true or false, is {shown(value)}"
    if datatype == "BYTES":
        return None if isinstance(value, str) else f"must be a text{or_gap}, is {shown(value)}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return f"must be a number{or_gap}, is {shown(value)}"
    if isinstance(value, float) and not math.isfinite(value):
        return f"must be a finite number{or_gap}, is {value}"
    wanted = DATATYPES[datatype]
    if wanted.kind == "f":
        largest = float(np.finfo(wanted).max)
        return None if -largest <= value <= largest else f"must be within ±{largest:.4g}, is {shown(value)}"
    if value != int(value):
        return f"must be a whole number, is {value}"
    limits = np.iinfo(wanted)
    if not limits.min <= value <= limits.max:
        return f"must be {limits.min} to {limits.max}, is {shown(value)}"
    return None


def walk(value: Any, shape: Sequence[int], datatype: str, pointer: str, gap: str | None = None) -> Iterator[Violation]:
    """Every violation in a value that should have this shape; gap is a word for a gap, where there may be one."""
    if shape and not isinstance(value, list):
        yield pointer, f"must be a list of shape {words(shape)}, is {shown(value)}"
        return
    measured = measure(value)
    if measured is not None and measured != tuple(shape):
        yield pointer, f"must have shape {words(shape)}, has {words(measured)}"
        shape = measured
    yield from _walk(value, shape, datatype, pointer, gap)


def _walk(value: Any, shape: Sequence[int], datatype: str, pointer: str, gap: str | None) -> Iterator[Violation]:
    if not shape:
        if wrong := check(value, datatype, gap):
            yield pointer, wrong
    elif not isinstance(value, list):
        yield pointer, f"must be a list of {shape[0]}, is {shown(value)}"
    else:
        if len(value) != shape[0]:
            yield pointer, f"must have {counted(shape[0], 'value')}, has {len(value)}"
        for index, inner in enumerate(value):
            yield from _walk(inner, shape[1:], datatype, f"{pointer}/{index}", gap)


def measure(value: Any) -> tuple[int, ...] | None:
    """The shape of nested lists; None if they are ragged."""
    if not isinstance(value, list):
        return ()
    inner = {measure(item) for item in value}
    if len(inner) > 1 or None in inner:
        return None
    return (len(value), *(inner.pop() or ())) if inner else (0,)


def words(shape: Sequence[int]) -> str:
    """A shape as a message shows it: 28 x 28."""
    return " x ".join(map(str, shape)) or "of a single number"


def shown(value: Any) -> str:
    """A value as a message shows it, cut to 40 characters."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "an object"
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**20 else f"a {len(str(value))}-digit number"
    return text if len(text) <= 40 else text[:37] + "…"
