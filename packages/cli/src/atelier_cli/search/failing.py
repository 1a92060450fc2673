"""Why a trial's process ended without a result, and whether the search has to end with it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from atelier_store.exit_codes import ExitCode
from atelier_store.files import write_text
from atelier_store.in_words import counted
from atelier_store.layout import Store
from atelier_store.records import Card

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
"""They end the search: whatever it trained next would be lost."""


def was_ended(code: int) -> bool:
    """Whether something else ended the process, so that it may be started again."""
    return code <= 0 or code == ExitCode.STOPPED


def reason(code: int, tries: int, card: Path, messages: Path) -> str:
    """Why a trial failed, started so often: what its card says, or the last line of its messages.

    OSError on a full disk, which may have kept the trial from saying so.
    """
    if code < 0:
        return f"its process was killed by signal {-code}, {counted(tries, 'time')}"
    if code == ExitCode.STOPPED:
        return f"its process was asked to stop, {counted(tries, 'time')}"
    written = Card.read_if_whole(card)
    if written is not None and written.status == "failed" and written.reason is not None:
        return written.reason
    said = messages.read_text(errors="replace").strip() or f"exit code {code}"
    write_text(messages, f"{said}\n")
    return said.splitlines()[-1]


def raise_if_of_the_disk(trial: str, why: str, store: Store) -> None:
    """OSError if a trial failed by an error of the disk: every other trial would fail as well."""
    for number in DISK_ERRORS:
        if os.strerror(number) in why:
            raise OSError(number, f"{why} ({trial})", str(store.root))
