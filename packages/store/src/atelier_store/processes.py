"""Processes of this machine, as the kernel shows them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """parent is 0 for what a container runs first; started is in the kernel's ticks after boot, so a reused number is told apart."""

    parent: int
    started: int


def process(pid: int, proc: Path = PROC) -> Process | None:
    """The living process of this number; None if there is none, or only what is left of one. proc(5), fields 3, 4 and 22 of stat."""
    try:
        fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else Process(parent=int(fields[1]), started=int(fields[19]))
