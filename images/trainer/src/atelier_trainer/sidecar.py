"""Katib's metrics collector beside a trial: it calls a trial failed that is over before it has looked at the pod's processes.

It starts after the trial's container, on a busy node by seconds, and a trial that is trained already is over sooner. Both see each other's
processes (shareProcessNamespace); what a container runs first has no parent there, and number 1 is the pod's own.
Katib 0.19, pkg/metricscollector/v1beta1/common/pns.go: "unable to find main pid from the process list".
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
"""Seconds that a collector has to be there: it looks at once, but what is at once on a busy node?"""
PATIENCE = 600.0
"""Seconds after which no collector is expected any more; its image may have to be pulled."""


def wait_until_seen(stop: Callable[[], bool], proc: Path = PROC, patience: float = PATIENCE) -> None:
    """Return once a collector beside this process has seen it, or when stop says so; at once where Katib did not start this process."""
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
    """Whether this is the shell that Katib runs a trial in: its command marks the end for the collector."""
    try:
        return MARK in (proc / str(pid) / "cmdline").read_bytes()
    except OSError:
        return False


def _ages_of_neighbours(proc: Path, own: int) -> Iterator[float]:
    """Seconds since each first process of another container was started."""
    for folder in proc.glob("[0-9]*"):
        pid = int(folder.name)
        neighbour = process(pid, proc)
        if neighbour is not None and neighbour.parent == 0 and pid not in (1, own):
            yield time.clock_gettime(time.CLOCK_BOOTTIME) - neighbour.started / os.sysconf("SC_CLK_TCK")


def _first(proc: Path, pid: int) -> int:
    """The first process of a process's container."""
    found = process(pid, proc)
    return pid if found is None or found.parent == 0 else _first(proc, found.parent)
