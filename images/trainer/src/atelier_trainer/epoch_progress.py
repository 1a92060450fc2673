"""How far an epoch has come that takes long, so that one of many minutes is not taken for one that hangs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from atelier_store.in_words import counted, duration

EVERY = 60.0
"""Seconds between two messages, and before the first."""

log = logging.getLogger("atelier.trial.epoch")
"""The trial's log has what it says; whoever runs a trial may listen for it alone."""


class EpochProgress:
    """Logs every minute of an epoch how many of its batches are done, and about how long the rest takes.

    The messages have no "=": Katib reads what a trial logs, too, and takes name=value for a metric.
    """

    def __init__(self, epoch: int, done: int, batches: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Done are those of the epoch that an earlier run has trained on."""
        self._epoch, self._before, self._batches, self._clock = epoch, done, batches, clock
        self._began = self._told = clock()

    def at(self, done: int) -> None:
        """So many batches of the epoch are done by now, more than before."""
        now = self._clock()
        if now - self._told < EVERY or done == self._batches:
            return
        self._told = now
        left = (now - self._began) / (done - self._before) * (self._batches - done)
        share = f"{done:,} of {counted(self._batches, 'batch')}, {done / self._batches:.0%}"
        log.info("epoch %d: %s, about %s left", self._epoch, share, duration(left))
