"""The wait for Katib's Experiment, which comes before the promotion of its best trial."""

from __future__ import annotations

import logging
import time

from atelier_store.layout import Store
from lightkube import Client

from atelier_server.promotion import katib, search_record

LONGEST_PAUSE = 60.0
"""Seconds between attempts while the API gives no answer."""

log = logging.getLogger(__name__)


class NotSucceeded(RuntimeError):
    """The Experiment failed, or did not end in time."""


def run(store: Store, experiment: str, model: str, *, namespace: str, timeout: int, every: float) -> int:
    """Run the command. The result is the exit status.

    0 if the Experiment succeeded; 1 if it failed, did not end within timeout seconds, or there is no cluster. Meanwhile
    search.json has the state running; after 1 it has the state failed, with the reason.
    """
    search_record.write(store.model(model), experiment, "running")
    log.info("waiting for Experiment %s in namespace %s, at most %d s", experiment, namespace, timeout)
    try:
        _wait(katib.connect(namespace), experiment, timeout, every)
    except (NotSucceeded, katib.Unreachable) as error:
        log.error("%s", error)
        search_record.write(store.model(model), experiment, "failed", str(error))
        return 1
    return 0


def _wait(client: Client, name: str, timeout: int, every: float) -> None:
    """Return when the Experiment has succeeded. Raises NotSucceeded."""
    deadline = time.monotonic() + timeout
    logged, pause = "", every
    while True:
        try:
            progress, pause = _progress(client, name), every
        except katib.Unreachable as error:
            progress, pause = f"the API gave no answer: {error}", min(2 * pause, LONGEST_PAUSE)
        if progress is None:
            return
        if progress != logged:
            log.info("%s", progress)
            logged = progress
        left = deadline - time.monotonic()
        if left <= 0:
            raise NotSucceeded(f"Experiment {name} was not over after {timeout} s; {progress}")
        time.sleep(min(pause, left))


def _progress(client: Client, name: str) -> str | None:
    """How far the Experiment is; None once it has succeeded. Raises NotSucceeded if it has failed, or Unreachable."""
    experiment = katib.read(client, name)
    if experiment is None:
        return "it is not there yet"
    if failed := experiment.condition("Failed"):
        raise NotSucceeded(f"Experiment {name} failed: {failed.reason}: {failed.message}")
    if succeeded := experiment.condition("Succeeded"):
        log.info("Experiment %s succeeded: %s: %s", name, succeeded.reason, succeeded.message)
        return None
    return experiment.progress
