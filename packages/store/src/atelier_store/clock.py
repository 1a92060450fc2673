"""The one format of a time: RFC 3339, UTC, milliseconds. Katib's collector orders metric lines by it."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    """This moment, as 2026-01-02T03:04:05.678Z."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
