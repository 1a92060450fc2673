"""One owner at a time, among processes and among machines that share a store.

A lease is a file that appears by link(2) and says who owns it; its owner touches it while it lives. Whoever finds it untouched for
STALE_AFTER seconds of its own clock, or finds its process gone from this very machine, takes it over; the former owner learns of it at
its next `check`.
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
    """Somebody else owns it and lives; the message says who."""


class LeaseLost(RuntimeError):
    """It was taken over: whoever holds this object must not write any more."""


class Holder(Record):
    """What a lease says of its owner. machine tells one boot of one host's process namespace from another; started is the kernel's tick."""

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
    """A lease that is held, until `acquire`'s block ends or another takes it over."""

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
        """Own path while the block runs; what says for what. LeaseHeld if somebody else does and keep_waiting() is false.

        on_wait is told once for whom this waits.
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
        """LeaseLost unless this is still ours."""
        seen = _look(self.path)
        if seen is None or seen[0].token != self.holder.token:
            raise LeaseLost(f"{self.path}: taken over by {seen[0] if seen else 'nobody: the file is gone'}")

    def _take(self, keep_waiting: Callable[[], bool], on_wait: Callable[[Holder], object]) -> None:
        seen, since, told = None, 0.0, False
        while not self._create():
            found = _look(self.path)
            if found is None:
                self._clear_torn()
                continue
            if found != seen:
                seen, since = found, time.monotonic()
            holder = found[0]
            if _is_gone(holder) or time.monotonic() - since > STALE_AFTER:
                self._evict(holder)
            elif not keep_waiting():
                raise LeaseHeld(str(holder))
            else:
                if not told:
                    on_wait(holder)
                    told = True
                time.sleep(POLL)

    def _create(self) -> bool:
        """Whether the file is ours now: a link to a whole file, which fails if there is one already, on NFS too."""
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
        """Move a dead owner's file aside; put it back if it is another owner's by now."""
        aside = temporary_beside(self.path)
        try:
            self.path.rename(aside)
        except FileNotFoundError:
            return
        moved = _look(aside)
        if moved is not None and moved[0].token != holder.token:
            with contextlib.suppress(FileExistsError):
                os.link(aside, self.path)
        aside.unlink()

    def _clear_torn(self) -> None:
        """A lease cannot be half written; what cannot be read was not put there by us."""
        if self.path.exists() and _look(self.path) is None:
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


def _look(path: Path) -> tuple[Holder, int] | None:
    """Owner and time of the last heartbeat; None if there is no whole lease. Opened anew each time: NFS may cache what is not."""
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
    """Whether the owner was a process of this machine that has ended; of other machines nothing is known."""
    return holder.machine == _machine() and Path("/proc/self").exists() and _started(holder.pid) != holder.started


def _started(pid: int) -> int | None:
    """The kernel's tick at which a living process of this number started; None if there is none."""
    found = process(pid)
    return None if found is None else found.started
