"""Who sees Ctrl-C: a terminal sends it to every process of a command, and one of them has to end the others in order."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ctrl_c_kept_from_children() -> Iterator[None]:
    """Processes that start in the block never see Ctrl-C; to us it comes after the block."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
