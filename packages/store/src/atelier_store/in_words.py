"""Numbers as people say them."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """A count with its noun in the singular or plural: 1 row, 2 rows, 1,200 branches."""
    if count == 1:
        return f"1 {noun}"
    if noun.endswith(("ch", "sh", "s", "x")) and not noun.endswith("epoch"):
        return f"{count:,} {noun}es"
    return f"{count:,} {noun}s"


def duration(seconds: float) -> str:
    """Seconds in words: 42 s, 3 min 5 s, 1 h 2 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
