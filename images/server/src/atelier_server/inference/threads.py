"""What takes long is done by threads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.types import Scope

from atelier_server.web.problems import Problem

SHORT = 0.002
"""Seconds of work that the event loop does itself; a hop to a thread and back costs a tenth of that."""

ADMITTED = "atelier.admitted"

T = TypeVar("T")


class Threads:
    """Keeps what takes long off the event loop, which stays free to answer probes."""

    def __init__(self, count: int, *, max_requests: int, deadline: float, waited: Callable[[float], None]) -> None:
        self._under_way = 0
        self._most, self._deadline, self._waited = max_requests, deadline, waited
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="predict")
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="load")

    def admit(self, scope: Scope) -> None:
        """Count a request as under way until it is dismissed. Problem 429 if as many as may be are already."""
        if self._under_way >= self._most:
            raise Problem(429, f"{self._most} requests are under way already; try again", headers={"Retry-After": "1"})
        self._under_way += 1
        scope[ADMITTED] = True

    def dismiss(self, scope: Scope) -> None:
        """The request is over: its answer is sent, or nobody waits for it. Nothing if it was not admitted."""
        if scope.pop(ADMITTED, False):
            self._under_way -= 1

    async def predict(self, work: Callable[[], T]) -> T:
        """The result of work. Problem 504 if it has none within the deadline."""
        begun = time.perf_counter()

        def timed() -> T:
            self._waited(time.perf_counter() - begun)
            return work()

        return await self._within_deadline(self._pool, timed)

    async def load(self, work: Callable[[], T]) -> T:
        """The result of work that reads the store, one at a time. Problem 504 if it has none within the deadline; it goes on."""
        return await self._within_deadline(self._loader, work)

    def stop(self) -> None:
        """Begin nothing more; what nobody waits for any longer is not finished."""
        for pool in (self._pool, self._loader):
            pool.shutdown(wait=False, cancel_futures=True)

    async def _within_deadline(self, pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        try:
            async with asyncio.timeout(self._deadline):
                return await asyncio.get_running_loop().run_in_executor(pool, work)
        except TimeoutError as error:
            raise Problem(
                504, f"there is no answer within {self._deadline:g} s", headers={"Retry-After": "1"}
            ) from error
