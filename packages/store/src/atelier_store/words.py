"""Columns that hold a few values again and again: these once, as words, and for each row the digit of its word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def packed(values: Sequence[Any]) -> list[Any] | dict[str, Any]:
    """The column, for JSON; a list as it is, where its values are too many, or as many as rows."""
    words = list(dict.fromkeys(values))
    if len(words) > len(DIGITS) or 2 * len(words) > len(values):
        return list(values)
    digits = dict(zip(words, DIGITS, strict=False))
    return {"words": words, "rows": "".join(digits[value] for value in values)}


def unpacked(column: list[Any] | dict[str, Any]) -> list[Any]:
    """The values of such a column."""
    if isinstance(column, list):
        return column
    return list(map(dict(zip(DIGITS, column["words"], strict=False)).__getitem__, column["rows"]))
