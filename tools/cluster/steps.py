"""What people see of the tool: a line with its time per step, and a failure that names its cause and the log."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.status import Status
from rich.text import Text

console = Console(highlight=False, soft_wrap=True)
LAST_LINES = 12


class Failure(Exception):
    """Why the tool cannot go on, and the log with more of it, if there is one."""

    def __init__(self, cause: str, log: Path | None = None) -> None:
        super().__init__(cause)
        self.log = log


class Step:
    """One line of the report, printed with its outcome when it ends."""

    def __init__(self, title: str, status: Status | None) -> None:
        self.title, self._status = title, status
        self.outcome = "done"

    def now(self, what: str) -> None:
        """Show what begins, if it takes long."""
        if self._status:
            self._status.update(f"{self.title}: {what}")
        else:
            console.print(Text(f"  {self.title}: {what} …"))


@contextmanager
def step(title: str) -> Iterator[Step]:
    began = time.monotonic()
    status = console.status(title) if console.is_terminal else None
    made = Step(title, status)
    if status:
        status.start()
    mark, colour = "✗", "red"
    try:
        yield made
        mark, colour = "✓", "green"
    except BaseException:
        made.outcome = "failed"
        raise
    finally:
        if status:
            status.stop()
        console.print(
            Text(f"{mark} ", colour).append(f"{title:<24} {time.monotonic() - began:7.1f} s  {made.outcome}", "default")
        )


def show(failure: Failure) -> None:
    console.print(Text(f"\n{failure}", "bold red"))
    if failure.log and failure.log.exists():
        lines = last_lines(failure.log)
        console.print(Text(f"last lines of {failure.log}:" if lines else f"{failure.log} is empty"))
        for line in lines:
            console.print(Text(f"  {line}", "dim"))


def last_lines(log: Path, count: int = LAST_LINES) -> list[str]:
    with log.open(errors="replace") as lines:
        return [line.rstrip() for line in deque(lines, count)]
