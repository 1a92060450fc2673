"""Dates as people write them, in ISO 8601, and as a network has them: seconds since 1970, in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d.*)?", re.ASCII | re.DOTALL)
"""How a date begins. Python reads more: weeks, dates without hyphens, any letter before the time."""

DAY: Final = 86400


def seconds(text: str) -> float | None:
    """Seconds since 1970 of a date, with or without a time; without an offset it is in UTC. None if it is no date."""
    if not ISO.fullmatch(text):
        return None
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        return None
    return ((date if date.tzinfo else date.replace(tzinfo=UTC)) - EPOCH).total_seconds()


def text(since_1970: float) -> str:
    """The date of these seconds; without a time at midnight. OverflowError outside of the years 1 to 9999."""
    date = EPOCH + timedelta(seconds=since_1970)
    return date.date().isoformat() if since_1970 % DAY == 0 else date.isoformat().replace("+00:00", "Z")
