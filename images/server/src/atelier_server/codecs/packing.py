"""Numbers to arrays without a Python loop over them; None if any does not fit. values.py then names what is wrong."""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Sequence
from itertools import chain
from types import NoneType
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

TEXTS = {str, NoneType}
"""Types of the values of BYTES, among which None is a gap."""

LENGTH = struct.Struct("<I")
"""What stands before each text of BYTES."""

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


def pack_with_gaps(flat: list[Any], datatype: str) -> np.ndarray | None:
    """Numbers as FP32 or FP64, texts as BYTES; None among them is a gap: NaN, or an empty text."""
    if datatype == "BYTES":
        return np.array([text or "" for text in flat], dtype=object) if set(map(type, flat)) <= TEXTS else None
    numbers = [math.nan if number is None else number for number in flat] if None in flat else flat
    try:
        packed = np.array(array(CODES[datatype], numbers))
    except (TypeError, OverflowError):
        return None
    return None if np.count_nonzero(np.isinf(packed)) else packed


def unpack(content: bytes, datatype: str) -> np.ndarray | None:
    """The raw bytes of an array, little-endian in row-major order."""
    packed = np.frombuffer(content, np.uint8 if datatype == "BOOL" else DATATYPES[datatype])
    if datatype == "BOOL":
        return packed.view(np.bool_) if packed.max(initial=0) <= 1 else None
    return packed if is_finite(packed) else None


def unpack_with_gaps(content: bytes, datatype: str) -> np.ndarray | None:
    """The same of FP32 or FP64, among which NaN is a gap; of BYTES, each of which has its length before it."""
    if datatype == "BYTES":
        texts = _texts(content)
        return None if texts is None else np.array(texts, dtype=object)
    packed = np.frombuffer(content, DATATYPES[datatype])
    return None if np.count_nonzero(np.isinf(packed)) else packed


def _texts(content: bytes) -> list[str] | None:
    """Texts in UTF-8, each after its length in bytes as four bytes, little-endian; None if it is anything else."""
    texts, at = [], 0
    try:
        while at < len(content):
            (length,) = LENGTH.unpack_from(content, at)
            at += LENGTH.size + length
            if at > len(content):
                return None
            texts.append(content[at - length : at].decode())
    except (struct.error, UnicodeDecodeError):
        return None
    return texts


def is_finite(numbers: np.ndarray) -> bool:
    """Whether there is no NaN and no infinity among them."""
    return numbers.dtype.kind != "f" or np.count_nonzero(np.isfinite(numbers)) == numbers.size


def check_finite(outputs: np.ndarray) -> None:
    """Raises NotFinite if a model's output cannot be written as JSON."""
    if not is_finite(outputs):
        raise NotFinite("the model gives no finite number for this input")
