"""Columns in few bytes, for pages of many trials; page/unpacked.js has them back."""

from __future__ import annotations

import base64
import math
import re
import struct
from collections.abc import Sequence
from statistics import quantiles
from typing import Any

from atelier_store import names, words

NUMBERED = re.compile(r"(.*?)([0-9]{1,9})", re.DOTALL)
NONE = 2**16 - 1
"""The step of what has no value."""

WIDEST = 1000
"""Widths of the middle half that 16 bits are enough for: one curve that leaves them would flatten all others."""


FEWEST = 36
"""Values up to which a column stays what people can read."""

FEW = 0.05
"""The share of a column's values that may be others than its pattern says: they are told one by one."""


def column(values: Sequence[Any]) -> list[Any] | dict[str, Any]:
    """The values; if they are a few again and again, these as words, and for each row the digit of its word.

    Of many, those that follow a pattern take few bytes as well: ranks, names that end with a number, and keys.
    """
    found = words.packed(values)
    if isinstance(found, dict) or len(values) <= FEWEST:
        return found
    return _counted(values) or _numbered(values) or _keys(values) or found


def _counted(values: Sequence[Any]) -> dict[str, Any] | None:
    """1, 2, 3, … as ranks are, then none."""
    count = next((place for place, value in enumerate(values) if value is None), len(values))
    follows = all(type(value) is int and value == place for place, value in enumerate(values[:count], 1))
    return {"counted": count, "of": len(values)} if follows and set(values[count:]) <= {None} else None


def _numbered(values: Sequence[Any]) -> dict[str, Any] | None:
    """Names as trial-0041 is one: what is before the number, its digits, and the numbers."""
    first = NUMBERED.fullmatch(values[0]) if isinstance(values[0], str) else None
    if first is None:
        return None
    before, width = first[1], len(first[2])
    name = re.compile(re.escape(before) + rf"([0-9]{{{width}}})")
    found = [name.fullmatch(value) if isinstance(value, str) else None for value in values]
    others = {place: values[place] for place, one in enumerate(found) if one is None}
    if len(others) > FEW * len(values):
        return None
    numbers = struct.pack(f"<{len(values)}I", *(int(one[1]) if one else 0 for one in found))
    return {"before": before, "width": width, "numbers": _base64(numbers), "others": others}


def _keys(values: Sequence[Any]) -> dict[str, Any] | None:
    """Keys of trials, as bytes."""
    found = [isinstance(value, str) and names.KEY.accepts(value) for value in values]
    others = {place: values[place] for place, is_key in enumerate(found) if not is_key}
    if len(others) > FEW * len(values):
        return None
    content = b"".join(b"\0" * 8 if place in others else bytes.fromhex(value) for place, value in enumerate(values))
    return {"keys": _base64(content), "others": others}


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
