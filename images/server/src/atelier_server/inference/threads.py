"""Threads for long work, and the limit of requests under way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from atelier_server.inference.errors import Overloaded, TooLate

T = TypeVar("T")


class Threads:
    """Keeps long work off the event loop, which stays free to answer probes.

    on_wait is called with the seconds that a prediction waited for its thread.
    """

    def __init__(self, count: int, *, max_requests: int, deadline: float, on_wait: Callable[[float], None]) -> None:
        self._under_way = 0
        self._most, self._deadline, self._on_wait = max_requests, deadline, on_wait
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="predict")
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="load")

    def admit(self) -> None:
        """Count a request as under way, until dismiss() is called. Raises Overloaded if there are too many."""
        if self._under_way >= self._most:
            raise Overloaded(f"{self._most} requests are under way already; try again")
        self._under_way += 1

    def dismiss(self) -> None:
        """An admitted request is over: its answer is sent, or its client is gone."""
        self._under_way -= 1

    async def predict(self, work: Callable[[], T]) -> T:
        """The result of work. Raises TooLate if it has none within the deadline."""
        submitted = time.perf_counter()

        def timed() -> T:
            self._on_wait(time.perf_counter() - submitted)
            return work()

        return await self._within_deadline(self._pool, timed)

    async def load(self, work: Callable[[], T]) -> T:
        """The result of work that reads the store, one at a time.

        Raises TooLate if it has none within the deadline; the work goes on, for the next request.
        """
        return await self._within_deadline(self._loader, work)

    def stop(self) -> None:
        """Start no more work; work whose request is over is not finished."""
        for pool in (self._pool, self._loader):
            pool.shutdown(wait=False, cancel_futures=True)

    async def _within_deadline(self, pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        try:
            async with asyncio.timeout(self._deadline):
                return await asyncio.get_running_loop().run_in_executor(pool, work)
        except TimeoutError as error:
            raise TooLate(f"there is no answer within {self._deadline:g} s") from error
