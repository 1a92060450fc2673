"""The state of every worker process, in memory that all of them and their supervisor share."""

from __future__ import annotations

import mmap
import struct
import time
from typing import NamedTuple

SLOT = struct.Struct("=qdq")


class Entry(NamedTuple):
    """One worker: its process, when its event loop last turned (time.monotonic), and its requests under way then."""

    pid: int
    beat: float
    under_way: int


class Board:
    """A slot for every worker, allocated before they are forked. A worker without a process has pid 0."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._memory = mmap.mmap(-1, SLOT.size * workers)

    def write(self, worker: int, pid: int, under_way: int = 0) -> None:
        """Record that this worker runs, now."""
        SLOT.pack_into(self._memory, worker * SLOT.size, pid, time.monotonic(), under_way)

    def clear(self, worker: int) -> None:
        """Its process is gone."""
        SLOT.pack_into(self._memory, worker * SLOT.size, 0, 0.0, 0)

    def entries(self) -> dict[int, Entry]:
        """Every worker that has a process."""
        slots = (Entry(*SLOT.unpack_from(self._memory, worker * SLOT.size)) for worker in range(self._workers))
        return {worker: entry for worker, entry in enumerate(slots) if entry.pid}

    def hung(self, after: float) -> dict[int, Entry]:
        """The workers whose event loop has not turned for more than after seconds."""
        now = time.monotonic()
        return {worker: entry for worker, entry in self.entries().items() if now - entry.beat > after}
