"""What containerd and the kubelet mounted below our folder."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from .commands import output
from .layout import RUN


def ours() -> list[str]:
    return below(Path("/proc/self/mounts").read_text(), RUN)


def below(table: str, folder: Path) -> list[str]:
    """Mount points inside a folder, deepest first; /proc/mounts writes spaces as \\040."""
    points = [
        re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), line.split()[1]) for line in table.splitlines()
    ]
    return sorted(
        (point for point in points if point.startswith(f"{folder}/")),
        key=lambda point: (point.count("/"), point),
        reverse=True,
    )


def remove() -> None:
    for mount in ours():
        if subprocess.run(["umount", mount], capture_output=True, check=False).returncode:
            output("umount", "--lazy", mount)
