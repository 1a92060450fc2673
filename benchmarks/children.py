"""Programs that a benchmark runs: they end when it is killed, and leave its cores to whatever is measured next."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable

PR_SET_PDEATHSIG = 1
"""Of prctl(2): the signal that a process gets when its parent is gone."""


def with_parent(also: Callable[[], object] | None = None) -> Callable[[], None]:
    """A preexec_fn for a program that gets SIGTERM when this process ends, whatever ended it; also is called first."""
    parent, prctl = os.getpid(), ctypes.CDLL(None).prctl

    def before_the_program() -> None:
        if also is not None:
            also()
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it ended before
            os.kill(os.getpid(), signal.SIGTERM)

    return before_the_program
