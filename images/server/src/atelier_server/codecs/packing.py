"""Numbers to arrays without a Python loop over them; None if any does not fit. values.py then names what is wrong."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import chain
from typing import Any

import msgspec
import numpy as np

from atelier_server.codecs.violations import NotFinite
from atelier_server.models.runtime import DATATYPES

CODES = {
    "INT8": "b",
    "UINT16": "H",
    "INT16": "h",
    "UINT32": "I",
    "INT32": "i",
    "UINT64": "Q",
    "INT64": "q",
    "FP32": "f",
    "FP64": "d",
}
"""Type codes of Python's own arrays, the fastest way from a list. FP16 and BOOL have none."""

UNUSUAL = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises on JSON other than it expects; the last two where it skips or names unknown members."""


def flatten(value: list[Any], shape: Sequence[int]) -> list[Any] | None:
    """The numbers in nested lists, if every list at depth n has shape[n] items."""
    level = value
    for size in shape:
        if set(map(len, level)) != {size}:
            return None
        level = list(chain.from_iterable(level))
    return level


def pack(flat: list[Any], datatype: str) -> np.ndarray | None:
    """Numbers, none of them a boolean, as this datatype."""
    try:
        if datatype == "UINT8":
            return np.frombuffer(bytes(flat), np.uint8)
        packed = np.frombuffer(array(CODES[datatype], flat), DATATYPES[datatype])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return packed if is_finite(packed) else None


def unpack(content: bytes, datatype: str) -> np.ndarray | None:
    """The raw bytes of an array, little-endian in row-major order."""
    packed = np.frombuffer(content, np.uint8 if datatype == "BOOL" else DATATYPES[datatype])
    if datatype == "BOOL":
        return packed.view(np.bool_) if packed.max(initial=0) <= 1 else None
    return packed if is_finite(packed) else None


def is_finite(numbers: np.ndarray) -> bool:
    """Whether there is no NaN and no infinity among them."""
    return numbers.dtype.kind != "f" or np.count_nonzero(np.isfinite(numbers)) == numbers.size


def check_finite(outputs: np.ndarray) -> None:
    """Raises NotFinite if a model's output cannot be written as JSON."""
    if not is_finite(outputs):
        raise NotFinite("the model gives no finite number for this input")
