"""The wait for Katib's Experiment, which comes before the promotion of its best trial."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from atelier_store.current_search import successor
from atelier_store.layout import Store
from lightkube import Client

from atelier_server.promotion import katib, search_record
from atelier_server.promotion.standstill import Standstill

LONGEST_PAUSE = 60.0
"""Seconds between attempts while the API gives no answer."""
PATIENCE = 60.0
"""Seconds without a trial that ends after which the wait asks for the reason."""

log = logging.getLogger(__name__)


class NotSucceeded(RuntimeError):
    """The Experiment failed, or did not end in time."""


def run(
    store: Store,
    experiment: str,
    model: str,
    *,
    namespace: str,
    timeout: int,
    every: float,
    patience: float = PATIENCE,
) -> int:
    """Run the command. The result is the exit status.

    0 if the Experiment succeeded, or another search has taken its place in its release; 1 if it failed, did not end
    within timeout seconds, or there is no cluster. Meanwhile search.json has the state running and is written again
    every minute, with the reason where no trial has ended for patience seconds; after 1 it has the state failed,
    with the reason.
    """

    def running(reason: str | None) -> None:
        search_record.write(store.model(model), experiment, "running", reason)

    if not successor(experiment):
        running(None)
    log.info("waiting for Experiment %s in namespace %s, at most %d s", experiment, namespace, timeout)
    try:
        client = katib.connect(namespace)
        standstill = Standstill(client, experiment, store.experiment(experiment).kept_experiment, patience)
        _wait(client, experiment, standstill, timeout, every, running)
    except (NotSucceeded, katib.Unreachable) as error:
        log.error("%s", error)
        search_record.write(store.model(model), experiment, "failed", str(error))
        return 1
    return 0


def _wait(
    client: Client,
    name: str,
    standstill: Standstill,
    timeout: int,
    every: float,
    running: Callable[[str | None], None],
) -> None:
    """Return when the Experiment has succeeded, or another search has taken its place. Raises NotSucceeded."""
    deadline = time.monotonic() + timeout
    logged, written, pause = "", time.monotonic(), every
    while True:
        if later := successor(name):
            log.info("not waited for any longer: %s was applied later", later)
            return
        reason = None
        try:
            (progress, reason), pause = _progress(client, name, standstill), every
        except katib.Unreachable as error:
            progress, pause = f"the API gave no answer: {error}", min(2 * pause, LONGEST_PAUSE)
        if progress is None:
            return
        line = progress if reason is None else f"{progress}; {reason}"
        if line != logged or time.monotonic() - written > search_record.EVERY:
            running(reason)
            written = time.monotonic()
        if line != logged:
            log.log(logging.INFO if reason is None else logging.WARNING, "%s", line)
            logged = line
        left = deadline - time.monotonic()
        if left <= 0:
            raise NotSucceeded(f"Experiment {name} was not over after {timeout} s; {line}")
        time.sleep(min(pause, left))


def _progress(client: Client, name: str, standstill: Standstill) -> tuple[str | None, str | None]:
    """How far the Experiment is, None once it has succeeded, and why it stands still, None if it does not.

    Raises NotSucceeded if it has failed, or Unreachable.
    """
    experiment = katib.read(client, name)
    if experiment is None:
        return "it is not there yet", standstill.go_on()
    if failed := experiment.condition("Failed"):
        raise NotSucceeded(f"Experiment {name} failed: {failed.reason}: {failed.message}")
    if succeeded := experiment.condition("Succeeded"):
        log.info("Experiment %s succeeded: %s: %s", name, succeeded.reason, succeeded.message)
        return None, None
    return experiment.progress, standstill.reason(experiment)
