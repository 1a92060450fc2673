"""Install the locked packages with uv, and show how much is downloaded instead of a list of packages.

    python3 tools/install_packages.py UV PYTHON

Needs Python alone.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

ENVIRONMENT = Path(__file__).resolve().parents[1] / ".venv"
MIB = {"KiB": 1 / 1024, "MiB": 1.0, "GiB": 1024.0}
SECONDS_BETWEEN_LINES = 30
"""Where the output is no terminal, and a line stays."""


class Progress:
    """The downloads that uv has begun and ended; uv names only the large ones."""

    def __init__(self) -> None:
        self._sizes: dict[str, float] = {}
        self._done = 0.0
        self._next = time.monotonic() + SECONDS_BETWEEN_LINES

    def read(self, line: str) -> None:
        """Take a line of uv's output."""
        if begun := re.fullmatch(r"Downloading (\S+) \(([\d.]+)([KMG]iB)\)", line):
            self._sizes[begun[1]] = float(begun[2]) * MIB[begun[3]]
        elif ended := re.fullmatch(r"Downloaded (\S+)", line):
            self._done += self._sizes.pop(ended[1], 0)
        else:
            return
        waiting = ", ".join(sorted(self._sizes, key=lambda name: -self._sizes[name])[:3])
        self._show(f"  {self._done:,.0f} MiB downloaded" + (f", {waiting} under way" if waiting else ""))

    def _show(self, text: str) -> None:
        if sys.stdout.isatty():
            sys.stdout.write(f"\r\033[K{text}")
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + SECONDS_BETWEEN_LINES
            sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def end(self) -> None:
        """Leave no half line on a terminal."""
        if sys.stdout.isatty():
            sys.stdout.write("\r\033[K")
            sys.stdout.flush()


def main(uv: str, python: str) -> int:
    """Run uv; what it printed is shown if it fails."""
    if not ENVIRONMENT.exists():
        print("installing packages (6 GB on the disk; takes minutes the first time) …", flush=True)
    command = [uv, "sync", "--locked", "--python", python]
    printed, progress = [], Progress()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            printed.append(line)
            progress.read(line.strip())
    progress.end()
    if process.returncode:
        sys.stderr.writelines(printed)
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
