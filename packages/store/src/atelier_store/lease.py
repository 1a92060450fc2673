"""One owner at a time, among processes and among machines that share a store.

A lease is a file that appears by link(2) and names its owner, who touches it while it lives. Another process takes the
lease over if the file stays untouched for STALE_AFTER seconds of that process's own clock, or if the owner ran on the
same machine and has ended. The former owner notices at its next `check`.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from atelier_store.clock import now
from atelier_store.files import temporary_beside, write_text
from atelier_store.processes import process
from atelier_store.records import Record

HEARTBEAT = 5.0
STALE_AFTER = 45.0
"""Seconds. Longer than a machine may take to write, or a volume to show, a heartbeat."""

POLL = 0.2


class LeaseHeld(RuntimeError):
    """Another process owns the lease and is alive; the message names it."""


class LeaseLost(RuntimeError):
    """The lease was taken over: the holder of this object must not write any more."""


class Holder(Record):
    """The owner of a lease. machine identifies a boot of a host and a process namespace; started is in kernel ticks."""

    schema_version: Literal[1] = 1
    what: str
    token: str
    host: str
    machine: str
    pid: int
    started: int
    since: str

    def __str__(self) -> str:
        return f"{self.what}, process {self.pid} on {self.host}, since {self.since}"


class Lease:
    """A lease that is held until `acquire`'s block ends or another process takes it over."""

    def __init__(self, path: Path, holder: Holder) -> None:
        self.path = path
        self.holder = holder
        self._ended = threading.Event()

    @classmethod
    @contextmanager
    def acquire(
        cls,
        path: Path,
        what: str,
        *,
        keep_waiting: Callable[[], bool] = lambda: False,
        on_wait: Callable[[Holder], object] = lambda _: None,
    ) -> Iterator[Lease]:
        """Own path for what while the block runs. LeaseHeld if another process owns it and keep_waiting() is false.

        on_wait is called once, with the owner that this waits for.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        lease = cls(path, _this_process(what))
        lease._take(keep_waiting, on_wait)
        beating = threading.Thread(target=lease._beat, name=f"lease {what}", daemon=True)
        beating.start()
        try:
            yield lease
        finally:
            lease._ended.set()
            beating.join()
            lease._release()

    def check(self) -> None:
        """LeaseLost unless this process still owns the lease."""
        seen = _read(self.path)
        if seen is None or seen[0].token != self.holder.token:
            raise LeaseLost(f"{self.path}: taken over by {seen[0] if seen else 'nobody: the file is gone'}")

    def _take(self, keep_waiting: Callable[[], bool], on_wait: Callable[[Holder], object]) -> None:
        last, since, is_waiting = None, 0.0, False
        while not self._create():
            current = _read(self.path)
            if current is None:
                self._clear_torn()
                continue
            if current != last:
                last, since = current, time.monotonic()
            holder = current[0]
            if _is_gone(holder) or time.monotonic() - since > STALE_AFTER:
                self._evict(holder)
            elif not keep_waiting():
                raise LeaseHeld(str(holder))
            else:
                if not is_waiting:
                    on_wait(holder)
                    is_waiting = True
                time.sleep(POLL)

    def _create(self) -> bool:
        """Whether the file is ours now. It is a link to a whole file: link(2) fails if the path exists, on NFS too."""
        whole = temporary_beside(self.path)
        try:
            write_text(whole, self.holder.model_dump_json())
            os.link(whole, self.path)
        except FileExistsError:
            return False
        finally:
            whole.unlink(missing_ok=True)
        return True

    def _evict(self, holder: Holder) -> None:
        """Move a dead owner's file away; put it back if it is a new owner's by now."""
        aside = temporary_beside(self.path)
        try:
            self.path.rename(aside)
        except FileNotFoundError:
            return
        moved = _read(aside)
        if moved is not None and moved[0].token != holder.token:
            with contextlib.suppress(FileExistsError):
                os.link(aside, self.path)
        aside.unlink()

    def _clear_torn(self) -> None:
        """Move a file away that is no lease: ours are never half written."""
        if self.path.exists() and _read(self.path) is None:
            self.path.rename(self.path.with_name(f"{self.path.name}.torn-{uuid.uuid4().hex[:6]}"))

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT):
            with contextlib.suppress(OSError, LeaseLost):
                self.check()
                os.utime(self.path)

    def _release(self) -> None:
        with contextlib.suppress(OSError, LeaseLost):
            self.check()
            self.path.unlink()


def holder(path: Path) -> Holder | None:
    """Who holds the lease at path now, as far as this machine's clock tells; None if nobody does."""
    held = _read(path)
    if held is None or _is_gone(held[0]) or time.time() - held[1] / 1e9 > STALE_AFTER:
        return None
    return held[0]


def _read(path: Path) -> tuple[Holder, int] | None:
    """Owner and time of the last heartbeat; None if there is no whole lease. Opening the file defeats NFS's caches."""
    try:
        with path.open("rb") as file:
            return Holder.model_validate_json(file.read()), os.fstat(file.fileno()).st_mtime_ns
    except (OSError, ValueError):
        return None


def _this_process(what: str) -> Holder:
    return Holder(
        what=what,
        token=uuid.uuid4().hex,
        host=socket.gethostname(),
        machine=_machine(),
        pid=os.getpid(),
        started=_started(os.getpid()) or 0,
        since=now(),
    )


def _machine() -> str:
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return f"{socket.gethostname()} without /proc"


def _is_gone(holder: Holder) -> bool:
    """Whether the owner is a process of this machine that has ended; nothing is known about other machines."""
    return holder.machine == _machine() and Path("/proc/self").exists() and _started(holder.pid) != holder.started


def _started(pid: int) -> int | None:
    """The kernel tick at which the living process with this number started; None if there is none."""
    living = process(pid)
    return None if living is None else living.started
