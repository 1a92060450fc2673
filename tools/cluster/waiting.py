"""Conditions with deadlines: a check says what is still missing, or nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from .steps import Failure

Check = Callable[[], str | None]


def until(check: Check, seconds: float, what: str, log: Path | None = None, every: float = 0.2) -> None:
    """Return once the check finds nothing missing; a Failure names what was missing last."""
    deadline = time.monotonic() + seconds
    while missing := check():
        if time.monotonic() > deadline:
            raise Failure(f"{what}: not within {seconds:.0f} s: {missing}", log)
        time.sleep(every)
