"""The wait for Katib's Experiment, which comes before the promotion of its best trial."""

from __future__ import annotations

import logging
import time

from atelier_store.layout import Store
from lightkube import Client

from atelier_server.promotion import katib
from atelier_server.promotion.search_record import say

LONGEST_PAUSE = 60.0
"""Seconds between tries while the API gives no answer."""

log = logging.getLogger(__name__)


class NotSucceeded(RuntimeError):
    """The Experiment failed, or its time was over."""


def run(store: Store, experiment: str, model: str, *, namespace: str, timeout: int, every: float) -> int:
    """The command: 0 the Experiment succeeded; 1 it failed, was not over after timeout seconds, or there is no cluster to ask.

    search.json says that the search runs, and after 1 why it failed.
    """
    say(store.model(model), experiment, "running")
    log.info("waiting for Experiment %s in namespace %s, at most %d s", experiment, namespace, timeout)
    try:
        _wait(katib.connect(namespace), experiment, timeout, every)
    except (NotSucceeded, katib.Unreachable) as error:
        log.error("%s", error)
        say(store.model(model), experiment, "failed", str(error))
        return 1
    return 0


def _wait(client: Client, name: str, timeout: int, every: float) -> None:
    """Look until the Experiment has succeeded. NotSucceeded."""
    deadline = time.monotonic() + timeout
    said, pause = "", every
    while True:
        try:
            seen, pause = _look(client, name), every
        except katib.Unreachable as error:
            seen, pause = f"the API gave no answer: {error}", min(2 * pause, LONGEST_PAUSE)
        if seen is None:
            return
        if seen != said:
            log.info("%s", seen)
            said = seen
        left = deadline - time.monotonic()
        if left <= 0:
            raise NotSucceeded(f"Experiment {name} was not over after {timeout} s; {seen}")
        time.sleep(min(pause, left))


def _look(client: Client, name: str) -> str | None:
    """How far the Experiment is; None once it has succeeded. NotSucceeded if it has failed, Unreachable."""
    experiment = katib.read(client, name)
    if experiment is None:
        return "it is not there yet"
    if failed := experiment.condition("Failed"):
        raise NotSucceeded(f"Experiment {name} failed: {failed.reason}: {failed.message}")
    if succeeded := experiment.condition("Succeeded"):
        log.info("Experiment %s succeeded: %s: %s", name, succeeded.reason, succeeded.message)
        return None
    return experiment.progress
