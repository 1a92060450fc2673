"""Clients that send requests without a pause over kept connections, to the servers in rotation; and the outcome."""

import asyncio
import re
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
CLOSE = re.compile(rb"\r\nconnection: close\r\n", re.IGNORECASE)
LONGEST = 60.0
"""Seconds after which a request has failed."""

MOST_NOTED = 100_000
"""Latencies that are kept, of the last requests: the load itself must not grow without end."""


@dataclass
class Load:
    """Sends these bytes; an answer is right if verdict(its body) names the version that gave it, wrong if that is None.

    Like a Service of Kubernetes, it opens connections only to ports in rotation, and leaves open ones to the server to
    close. A request failed if it was sent and no right answer came: a closed connection counts only if something was
    sent on it that was not answered.
    """

    request: bytes
    verdict: Callable[[bytes], str | None]
    rotation: list[int]
    connections: int = 32
    answers: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_NOTED))
    opened: Counter[int] = field(default_factory=Counter)
    opening: Counter[int] = field(default_factory=Counter)
    begun: int = 0

    @property
    def done(self) -> int:
        return self.answers.total() + self.failures.total()

    async def run(self, requests: int, further: Callable[[], bool] = lambda: False) -> None:
        """Until so many requests more have become something, and for as long as further is true."""
        end = self.begun + requests
        await asyncio.gather(
            *(self._client(number, lambda: self.begun < end or further()) for number in range(self.connections))
        )

    async def _client(self, number: int, goes_on: Callable[[], bool]) -> None:
        while goes_on():
            port = self.rotation[number % len(self.rotation)]
            self.opening[port] += 1
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError as error:
                self.opening[port] -= 1
                self.begun += 1
                self.failures[f"not connected: {error.strerror}"] += 1
                continue
            self.opened[port] += 1
            try:
                fresh = True
                while goes_on() and not reader.at_eof():
                    self.begun += 1
                    keeps = await self._ask(reader, writer)
                    if fresh:  # the server has taken the connection: it is more than a place in its queue
                        self.opening[port] -= 1
                        fresh = False
                    if not keeps:
                        break
            finally:
                self.opening[port] -= fresh
                self.opened[port] -= 1
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether the connection may be used for another."""
        started = time.perf_counter()
        try:
            async with asyncio.timeout(LONGEST):
                writer.write(self.request)
                head = await reader.readuntil(b"\r\n\r\n")
                length = LENGTH.search(head)
                body = await reader.readexactly(int(length[1])) if length else b""
        except (OSError, EOFError, TimeoutError) as error:
            self.failures[f"no answer: {type(error).__name__}"] += 1
            return False
        self.latencies.append(time.perf_counter() - started)
        status = head[9:12].decode()
        version = self.verdict(body) if status == "200" else None
        if version:
            self.answers[version] += 1
        else:
            self.failures[f"status {status}" if status != "200" else "a wrong answer"] += 1
        return not CLOSE.search(head)

    def percentile(self, q: float) -> float:
        """In milliseconds."""
        return float(np.percentile(self.latencies, q)) * 1000
