"""What is left of a search that others suggest for, once they have ended: on a cluster nobody resumes a trial but we.

Halving (Li et al. 2020) resumes a paused trial as soon as it is among the best of its rung. The laptop engine does it between trials; Katib
starts a trial once. So whoever ends the search trains on what was paused too early, and then the best trial's tail.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from atelier_store import halving
from atelier_store.ranking import trial_records
from atelier_store.records import Card, TrialRecord
from atelier_trial.request import BEST, Request, StopRequest
from atelier_trial.target import rung_values

from atelier_trainer.trial import run_trial

log = logging.getLogger("atelier.finishing")

TAIL = "tail"
"""Name of the trial that is the best one's tail."""


def finish(request: Request, stop: StopRequest) -> Card | None:
    """Resume every paused trial that deserves it, best first, then train the tail if the spec has one; the last of their cards.

    The request says what they share; its trial and parameters are not read. Can be run again: what is done is found done.
    """
    card: Card | None = None
    resumed: set[tuple[str, int]] = set()
    while not stop() and (found := _paused_too_early(request, resumed)) is not None:
        record, key, rung = found
        resumed.add((key, rung))
        log.info("%s is among the best at epoch %d by now and goes on", record.trial, rung)
        card = run_trial(replace(request, trial=record.trial, params=record.params, number=record.number), stop)
    if request.spec.trainer.tail_epochs and not stop():
        card = run_trial(replace(request, trial=TAIL, params={}, number=None, tail_of=BEST), stop)
    return card


def _paused_too_early(request: Request, resumed: set[tuple[str, int]]) -> tuple[TrialRecord, str, int] | None:
    """The best trial that rests at a rung among whose best it is, from the highest rung down; its key, and the rung's epoch."""
    experiment = request.store.experiment(request.spec.experiment_name)
    records = {record.key: record for record in reversed(trial_records(experiment)) if record.key is not None}
    stopping, objective = request.spec.experiment.early_stopping, request.spec.experiment.objective
    for rung in reversed(halving.rungs(stopping, request.spec.trainer.max_epochs)):
        for key in halving.best(rung_values(experiment, rung), objective, stopping.setting("eta", 3)):
            card = Card.read_if_whole(request.store.trial(key).card)
            rests = card is not None and card.status == "paused" and card.epochs == rung
            if rests and key in records and (key, rung) not in resumed:
                return records[key], key, rung
    return None
