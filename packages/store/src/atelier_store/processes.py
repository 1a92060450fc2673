"""Processes of this machine, read from /proc."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """parent is 0 for a container's first process; started, in kernel ticks after boot, identifies a reused number."""

    parent: int
    started: int


def process(pid: int, proc: Path = PROC) -> Process | None:
    """The living process with this number; None if there is none, or a zombie. proc(5): fields 3, 4 and 22 of stat."""
    try:
        fields = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else Process(parent=int(fields[1]), started=int(fields[19]))
