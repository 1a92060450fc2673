"""Control groups of pods, and the processes in them."""

from __future__ import annotations

from pathlib import Path

from .waiting import until

NAMES = ["kubepods", "k8s.io"]


def all_of_them() -> list[Path]:
    """Ours in every hierarchy of version 1, or in the one of version 2."""
    root = Path("/sys/fs/cgroup")
    return [folder for name in NAMES for folder in (root / name, *root.glob(f"*/{name}")) if folder.is_dir()]


def remove() -> None:
    def missing() -> str | None:
        folders = [path for top in all_of_them() for path in [top, *top.rglob("*")] if path.is_dir()]
        for folder in sorted(folders, key=lambda path: len(path.parts), reverse=True):
            try:
                folder.rmdir()
            except OSError as error:
                return str(error)
        return None

    until(missing, 15, "removing the pods' cgroups")


def processes() -> set[int]:
    pids: set[int] = set()
    for folder in all_of_them():
        for file in folder.rglob("cgroup.procs"):
            pids |= {int(pid) for pid in file.read_text().split()}
    return pids
