"""Who receives Ctrl-C: a terminal sends it to all processes of a command, and one of them has to stop the others."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ctrl_c_blocked_in_children() -> Iterator[None]:
    """Processes started in this block never receive Ctrl-C; this process receives it after the block."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
