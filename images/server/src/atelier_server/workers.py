"""Threads that predict, and a limit on how many requests wait for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from atelier_server.problems import Problem

MOST_WAITING = 256
"""Requests that may be under way at once; the next is told to come again."""

T = TypeVar("T")


class Workers:
    """Keeps decoding, predicting and encoding off the event loop, which stays free to answer probes."""

    def __init__(self, threads: int, most_waiting: int = MOST_WAITING) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="predict")
        self._places = most_waiting

    async def run(self, work: Callable[[], T]) -> T:
        """The result of work, done by a worker. Problem 503 if too many wait already."""
        if self._places == 0:
            raise Problem(503, "too many requests are waiting already; try again", headers={"Retry-After": "1"})
        self._places -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._places += 1

    def stop(self) -> None:
        """Finish what is under way."""
        self._pool.shutdown()
