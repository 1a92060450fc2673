"""Compares Katib's pick with ours; Katib may pick a trial that was stopped early, or one without a finite value."""

from __future__ import annotations

import logging

from atelier_store.layout import Store
from atelier_store.promotion import Promoted
from atelier_store.records import KatibPick, TrialRecord

from atelier_server.promotion import katib

log = logging.getLogger(__name__)


def katibs_pick(store: Store, done: Promoted, namespace: str) -> KatibPick | None:
    """Katib's pick of the promoted experiment, compared and logged; None, with a warning, if it has none."""
    name = done.promotion.experiment
    try:
        experiment = katib.read(katib.connect(namespace), name)
    except katib.Unreachable as error:
        log.warning("not compared with Katib's pick: %s", error)
        return None
    if experiment is None or experiment.pick is None:
        missing = (
            f"no Experiment {name} in namespace {namespace}" if experiment is None else f"Experiment {name} has none"
        )
        log.warning("not compared with Katib's pick: %s", missing)
        return None
    record = TrialRecord.read_if_whole(store.experiment(name).trial(experiment.pick))
    key, value = record.key if record else None, experiment.pick_value
    agrees = key in (done.promotion.key, *done.manifest.provenance.parents)
    if agrees:
        config = done.manifest.config
        of = ", which is in this average" if config.members else ", whose tail this is"
        of = ", which was retrained" if config.retrained_epochs is not None else of
        of = ", which sees mirror images as well here" if config.mirror_of is not None else of
        of = ", which was brought to int8" if config.int8_of is not None else of
        log.info("Katib's pick agrees: %s%s", experiment.pick, "" if key == done.promotion.key else of)
    else:
        shown = "no finite value" if value is None else f"{value:.6g}"
        log.info("Katib would have chosen %s (%s): %s", experiment.pick, shown, _why_not(done, experiment.pick, key))
    return KatibPick(trial=experiment.pick, key=key, value=value, agrees=agrees)


def _why_not(done: Promoted, trial: str, key: str | None) -> str:
    """Why Katib's pick was not promoted, from our leaderboard."""
    entries = done.leaderboard.entries if done.leaderboard else ()
    entry = next((e for e in entries if e.trial == trial or (key is not None and e.key == key)), None)
    if entry is None:
        return "the store knows no training of it"
    if entry.rank is None:
        return entry.reason or entry.status
    return f"it ranks {entry.rank} here, with {done.promotion.objective_metric_name} {entry.metric:.6g} at its end"
