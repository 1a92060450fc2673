"""The end of a search whose trials something else has started: resume what paused too early, train winner and tail.

After them come the average of the best trials, and the winner mirrored, retrained, or in int8, if the spec asks for it.

Halving (Li et al. 2020) resumes a paused trial once it is among the best of its rung. The laptop engine does so between
trials; Katib starts each trial once and never resumes one. So this runs after the last trial on a cluster.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from atelier_store import halving
from atelier_store.current_search import successor
from atelier_store.ranking import trial_records
from atelier_store.records import Card, TrialRecord
from atelier_trial.request import (
    BEST,
    Request,
    StopRequest,
    averages,
    in_int8,
    mirrored,
    retrainings,
    unfinished_winners,
)
from atelier_trial.target import rung_values

from atelier_trainer.trial import run_trial

log = logging.getLogger("atelier.finishing")

TAIL = "tail"
"""Name of the trial that is the best trial's tail."""


def finish(request: Request, stop: StopRequest) -> Card | None:
    """Resume every paused trial that may go on, best first, train the winner to its end, then its tail; the last card.

    There is a tail, an average, and the winner mirrored, retrained or in int8, if the spec asks for it. Nothing is
    trained if another search has taken this one's place in its release.

    Trial and parameters of the request are not read. Safe to run again: what is trained already is not trained again.
    """
    experiment = request.spec.experiment_name
    if later := successor(experiment):
        log.info("not finished: %s was applied later than %s", later, experiment)
        return None
    card: Card | None = None
    resumed: set[tuple[str, int]] = set()
    while not stop() and (chosen := _to_resume(request, resumed)) is not None:
        record, key, rung = chosen
        resumed.add((key, rung))
        log.info("%s is among the best at epoch %d by now and goes on", record.trial, rung)
        card = run_trial(_of(request, record), stop)
    for winner in () if stop() else unfinished_winners(request):
        log.info("%s is the best and is trained to epoch %d", winner.trial, request.spec.trainer.max_epochs)
        card = run_trial(winner, stop)
        if stop():
            break
    if request.spec.trainer.tail_epochs and not stop():
        card = run_trial(replace(request, trial=TAIL, params={}, number=None, tail_of=BEST), stop)
    averaged = _average(request, stop)
    if not stop() and (both := mirrored(request)) is not None:
        log.info("%s: the best sees mirror images as well", both.trial)
        _run(both, stop, "mirrored")
    for step in () if stop() else retrainings(request):
        log.info("%s: the best is made again, trained on the validation rows too", step.trial)
        if not _run(step, stop, "retrained"):
            break
    if not stop() and (last := in_int8(request)) is not None:
        log.info("%s: the best is brought to int8", last.trial)
        _run(last, stop, "in int8")
    return card if card is not None and card.status == "failed" else averaged or card


def _run(step: Request, stop: StopRequest, what: str) -> bool:
    """Make something of the winner, which is promoted without it if that does not succeed; whether it did."""
    card = run_trial(step, stop)
    if card.status != "succeeded":
        log.warning("it is not %s: %s: %s", what, card.status, card.reason)
    return card.status == "succeeded"


def _average(request: Request, stop: StopRequest) -> Card | None:
    """Try the average of the best trials, of fewer while it is measured over the budget; the last one's card.

    None if it failed: the best trial is promoted without it.
    """
    card: Card | None = None
    for step in () if stop() else averages(request):
        log.info("the average of %s is tried", ", ".join(step.average_of))
        card = run_trial(step, stop)
        if stop():
            break
    if card is not None and card.status == "failed":
        log.warning("the average failed: %s", card.reason)
        return None
    return card


def _of(request: Request, record: TrialRecord) -> Request:
    return replace(request, trial=record.trial, params=record.params, number=record.number)


def _to_resume(request: Request, resumed: set[tuple[str, int]]) -> tuple[TrialRecord, str, int] | None:
    """The paused trial that goes on by halving's rule, its key, and the epoch of its rung; resumed are left out."""
    spec, store = request.spec, request.store
    experiment = store.experiment(spec.experiment_name)
    records = {record.key: record for record in reversed(trial_records(experiment)) if record.key is not None}
    cards = {key: Card.read_if_whole(store.trial(key).card) for key in records}
    paused = {key: card.epochs for key, card in cards.items() if card is not None and card.status == "paused"}
    waiting = {key: rung for key, rung in paused.items() if (key, rung) not in resumed}
    early_stopping = spec.experiment.early_stopping
    values = {rung: rung_values(experiment, rung) for rung in halving.rungs(early_stopping, spec.trainer.max_epochs)}
    key = halving.to_resume(values, waiting, spec.experiment.objective, early_stopping.eta)
    return None if key is None else (records[key], key, waiting[key])
