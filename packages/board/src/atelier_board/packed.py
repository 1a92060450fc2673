"""Columns in few bytes, for pages of many trials; page/unpacked.js has them back."""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Sequence
from statistics import quantiles
from typing import Any

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
NONE = 2**16 - 1
"""The step of what has no value."""

WIDEST = 1000
"""Widths of the middle half that 16 bits are enough for: one curve that leaves them would flatten all others."""


def column(values: Sequence[Any]) -> list[Any] | dict[str, Any]:
    """The values; if they are a few again and again, these as words, and for each row the digit of its word."""
    words = list(dict.fromkeys(values))
    if len(words) > len(DIGITS) or 2 * len(words) > len(values):
        return list(values)
    digits = dict(zip(words, DIGITS, strict=False))
    return {"words": words, "rows": "".join(digits[value] for value in values)}


def numbers(values: Sequence[float | None]) -> dict[str, Any]:
    """Numbers in steps of 1/65534 of their range, 16 bits each, in base64; whole ones where that is too coarse."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    low, high = min(known, default=0.0), max(known, default=0.0)
    if _is_too_wide(known, low, high):
        wide = [math.nan if value is None else value for value in values]
        return {"bytes": _base64(struct.pack(f"<{len(wide)}d", *wide)), "wide": True}
    each = (NONE - 1) / (high - low) if high > low else 0.0
    steps = [
        round((value - low) * each) if value is not None and math.isfinite(value) else NONE for value in values
    ]  # fmt: skip
    return {"low": low, "high": high, "bytes": _base64(struct.pack(f"<{len(steps)}H", *steps))}


def places(rows: Sequence[int], count: int) -> dict[str, Any]:
    """Numbers of rows, of which there are so many, exactly."""
    if count < NONE:
        return {"low": 0, "high": NONE - 1, "bytes": _base64(struct.pack(f"<{len(rows)}H", *rows))}
    return {"bytes": _base64(struct.pack(f"<{len(rows)}d", *rows)), "wide": True}


def _is_too_wide(known: Sequence[float], low: float, high: float) -> bool:
    if len(known) < 2:
        return False
    quarter, middle, three_quarters = quantiles(known, n=4)
    return high - low > WIDEST * max(three_quarters - quarter, abs(middle) / 100)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
