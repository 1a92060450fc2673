"""A search of which no trial runs although some are missing: the reason, and a new start where that helps."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from atelier_store.records import KeptExperiment, TornRecord
from lightkube import Client

from atelier_server.promotion import katib
from atelier_server.promotion.katib import Experiment, Warned

FORGOTTEN = ("Same parameter is not found for Trial", "An unknown trial has been passed")
"""How Katib's suggestion services (goptuna, optuna) answer once their pod was replaced: they keep trials in memory."""
MOST_STARTS = 3
"""New starts of one search that a wait makes."""
SHOWN = 3
"""Warnings that a reason names."""

log = logging.getLogger(__name__)


class Standstill:
    """Watches one search for a standstill of patience seconds, and ends those that it can end.

    Katib never asks a suggestion service again that has forgotten the trials, so the search would stand still for ever.
    An Experiment that is deleted and created again begins with a service that knows as much as it is told; its trials
    find in the store what was trained before. kept is where the Experiment is meanwhile.
    """

    def __init__(self, client: Client, name: str, kept: Path, patience: float) -> None:
        self._client, self._name, self._kept, self._patience = client, name, kept, patience
        self._counts: object = None
        self._since = time.monotonic()
        self._starts = 0

    def reason(self, experiment: Experiment) -> str | None:
        """Why the search stands still, for a log; None if it does not. Raises Unreachable."""
        if experiment.metadata.deletion_timestamp is not None:
            return "it is being deleted"
        counts = (experiment.succeeded, experiment.failed, experiment.status.trials_running)
        if counts != self._counts:
            self._counts, self._since = counts, time.monotonic()
        still = time.monotonic() - self._since
        if still < self._patience:
            return None
        warned = katib.warnings(self._client, self._name)
        if experiment.status.trials_running == 0:
            if self._is_forgotten(experiment, warned):
                return self._start_anew()
            return f"no trial has run for {self._patience:.0f} s or more; {_shown(warned) or 'no Event says why'}"
        new = [one for one in warned if one.at >= datetime.now(UTC) - timedelta(seconds=still)]
        return f"no trial has ended since then; {_shown(new)}" if new else None

    def go_on(self) -> str | None:
        """Create the Experiment that a new start has deleted, once nothing of it is left, or say why it cannot.

        Raises Unreachable.
        """
        try:
            kept = KeptExperiment.read_if_there(self._kept)
        except TornRecord as error:
            return f"{error}: delete this file and run helm upgrade again"
        if kept is None or katib.left_over(self._client, self._name):
            return None  # the new Experiment would count the trials of the one before, and ask its service
        katib.create(self._client, kept.manifest)
        self._kept.unlink(missing_ok=True)
        log.info("Experiment %s is created again", self._name)
        return None

    def _is_forgotten(self, experiment: Experiment, warned: list[Warned]) -> bool:
        """Whether this Experiment's service said so; Events of the one before a new start are older than this one."""
        created = experiment.metadata.creation_timestamp
        return any(one.at >= created and any(text in one.message for text in FORGOTTEN) for one in warned)

    def _start_anew(self) -> str:
        what = "the suggestion service was replaced and has forgotten the trials"
        if self._starts == MOST_STARTS:
            return f"{what}, for the {MOST_STARTS + 1}th time: delete the Experiment and run helm upgrade again"
        if manifest := katib.read_manifest(self._client, self._name):
            KeptExperiment(manifest=_as_applied(manifest)).write(self._kept)
            try:
                katib.delete(self._client, self._name)
            except katib.Unreachable as error:
                self._kept.unlink()
                return f"{what}, and the Experiment cannot be deleted ({error}): delete it and run helm upgrade again"
            self._starts += 1
            self._counts = None
        return f"{what}: the search starts anew; what is trained is found in the store"


def _as_applied(manifest: dict[str, Any]) -> dict[str, Any]:
    """Without what the API server and Katib's controller add to an object."""
    metadata = {key: manifest["metadata"].get(key) for key in ("name", "namespace", "labels", "annotations")}
    applied = {key: manifest[key] for key in ("apiVersion", "kind", "spec")}
    return applied | {"metadata": {key: value for key, value in metadata.items() if value}}


def _shown(warned: list[Warned]) -> str:
    return "; ".join(map(str, warned[:SHOWN]))
