"""Katib's metrics collector beside a trial: it reports a trial as failed that ends before it has read the process list.

The collector starts after the trial's container, on a busy node seconds later, and a trial that is trained already ends
sooner. Both see each other's processes (shareProcessNamespace): the first process of a container has no parent there,
and number 1 is the pod's own. Katib 0.19, pkg/metricscollector/v1beta1/common/pns.go: "unable to find main pid from the
process list".
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from atelier_store.processes import PROC, process

log = logging.getLogger("atelier")

MARK = b"echo completed > "
SETTLED = 3.0
"""Seconds that a collector must have run: it reads the list at its start, which takes a while on a busy node."""
PATIENCE = 600.0
"""Seconds to wait for a collector; its image may have to be pulled."""


def wait_until_seen(stop: Callable[[], bool], proc: Path = PROC, patience: float = PATIENCE) -> None:
    """Return once a collector has seen this process, or stop() is true; at once if Katib did not start this process."""
    own = _first(proc, os.getpid())
    if not _is_katibs(proc, own):
        return
    deadline = time.monotonic() + patience
    while not stop() and not any(age >= SETTLED for age in _ages_of_neighbours(proc, own)):
        if time.monotonic() > deadline:
            log.warning("no metrics collector has started beside this trial in %.0f s", patience)
            return
        time.sleep(0.1)


def _is_katibs(proc: Path, pid: int) -> bool:
    """Whether this is the shell in which Katib runs a trial: its command ends with a mark for the collector."""
    try:
        return MARK in (proc / str(pid) / "cmdline").read_bytes()
    except OSError:
        return False


def _ages_of_neighbours(proc: Path, own: int) -> Iterator[float]:
    """The age in seconds of each first process of another container."""
    for folder in proc.glob("[0-9]*"):
        pid = int(folder.name)
        neighbour = process(pid, proc)
        if neighbour is not None and neighbour.parent == 0 and pid not in (1, own):
            yield time.clock_gettime(time.CLOCK_BOOTTIME) - neighbour.started / os.sysconf("SC_CLK_TCK")


def _first(proc: Path, pid: int) -> int:
    """The first process of a process's container."""
    this = process(pid, proc)
    return pid if this is None or this.parent == 0 else _first(proc, this.parent)
