"""How far a step has come that may take long."""

from __future__ import annotations

import time
from collections.abc import Callable

EVERY = 10.0
"""Seconds between two messages."""

Tell = Callable[[str], object]
"""Is given each message."""


class Progress:
    """Counts what is done, and says it every few seconds: `decoded 1,200 of 60,000 pictures …`."""

    def __init__(self, tell: Tell, done: str, of: str, total: int | None = None) -> None:
        self._tell, self._done, self._of, self._total = tell, done, of, total
        self._count, self._told = 0, time.monotonic()

    def step(self) -> None:
        """One more is done."""
        self._count += 1
        if time.monotonic() - self._told > EVERY:
            self._told = time.monotonic()
            total = "" if self._total is None else f"of {self._total:,} "
            self._tell(f"{self._done} {self._count:,} {total}{self._of} …")
