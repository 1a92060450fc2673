"""When Python's garbage collector runs: not where it only costs time or memory."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def off_during_imports() -> Iterator[None]:
    """No collections meanwhile: imports leave no garbage, and to look for some takes a tenth of the start."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def freeze_before_fork() -> None:
    """Exclude everything from collections, so that memory which workers share is not written to and stays shared."""
    gc.freeze()


def freeze_after_start() -> None:
    """Exclude everything that a worker needs as long as it lives; collections then take less time."""
    gc.collect()
    gc.freeze()
