"""How a search is stopped: what asks for it, how often it was asked, and what is said of the trials that ran."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

GOES_ON = "the same command goes on from here"


class StopRequests:
    """SIGINT and SIGTERM that have come while a search runs: the first asks it to stop, another to do so at once."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """During the block, they are counted."""
        with _handled_by(self._count):
            yield

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """During the block, they raise KeyboardInterrupt too."""

        def interrupt(*_: object) -> None:
            self._count()
            raise KeyboardInterrupt

        with _handled_by(interrupt):
            yield
        self.raise_if_any()  # Python drops one that is raised while it cleans up after an import

    def raise_if_any(self) -> None:
        """KeyboardInterrupt if one has come."""
        if self.count:
            raise KeyboardInterrupt

    def _count(self, *_: object) -> None:
        self.count += 1


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    before: dict[signal.Signals, Any] = {
        number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, was in before.items():
            signal.signal(number, was)


def in_words(running: Sequence[str], killed: Sequence[str], anew: Sequence[str]) -> str:
    """What a search that was stopped says of the trials that ran: which had to be killed, and have no checkpoint."""
    behind = [name for name in running if name in killed and name not in anew]
    if not anew and not behind:
        return f"Stopped. Every trial is checkpointed; {GOES_ON}."
    parts = [f"{', '.join(behind)} from the last whole epoch"] if behind else []
    parts += [f"{', '.join(anew)} anew, without a checkpoint"] if anew else []
    others = ", the others from their checkpoints" if len(anew) + len(behind) < len(running) else ""
    return f"Stopped; {GOES_ON}: {'; '.join(parts)}{others}."
