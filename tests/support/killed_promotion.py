"""Promotions killed right before their Nth change of the file system: `killed_promotion.py MODEL HOW WHAT [KEY]`.

HOW is `always` or `neverWorse` with an experiment for WHAT, or `version` with a version. KEY is the file of a private
key to sign with. Reads lines `N STORE`. Each
promotion is a process of its own, forked from this one, so that imports are paid for once.
Answers each line with `killed`, `done STEPS` (there were fewer than N steps; N = 0 never kills) or `failed`.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, cast

from atelier_server.promotion.promote import promoter
from atelier_store.layout import Store
from atelier_store.records import Policy

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink"}


class Steps:
    """Counts what changes the store and kills this process before the last of them."""

    def __init__(self, store: str, last: int) -> None:
        self.store, self.last, self.count = store, last, 0
        self.fsync = os.fsync
        os.fsync = self.before_fsync
        sys.addaudithook(self.before)

    def step(self) -> None:
        self.count += 1
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)

    def before(self, event: str, arguments: tuple[object, ...]) -> None:
        writes = (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        )
        if (event in CHANGES or writes) and self.store in str(arguments[0]):
            self.step()

    def before_fsync(self, fd: FileDescriptorLike) -> None:
        """Before it, as if nothing of the file had come to the disk, and after half of it had."""
        assert isinstance(fd, int)
        self.step()
        if (
            self.count + 1 == self.last
            and os.fstat(fd).st_size > 1
            and Path(f"/proc/self/fd/{fd}").readlink().is_file()
        ):
            os.truncate(Path(f"/proc/self/fd/{fd}").readlink(), os.fstat(fd).st_size // 2)
        self.step()
        self.fsync(fd)


def promote(model: str, how: str, what: str, key: Path | None, store: str, last: int) -> None:
    """In a process of its own: promote, and say how many steps it took."""
    promotes = promoter(Store(Path(store)).model(model), key)
    steps = Steps(store, last)
    try:
        promotes.version(what) if how == "version" else promotes.best(what, cast(Policy, how))
        os.write(1, f"done {steps.count}\n".encode())
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def main() -> None:
    model, how, what, *signing = sys.argv[1:]
    key = Path(signing[0]) if signing else None
    for line in sys.stdin:
        last, store = line.rstrip("\n").split(" ", 1)
        if (child := os.fork()) == 0:
            promote(model, how, what, key, store, int(last))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status != 0:
            os.write(1, b"killed\n" if status == -signal.SIGKILL else b"failed\n")


main()
