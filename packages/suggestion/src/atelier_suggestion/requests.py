"""What Katib says of a search, as the searcher has it: a spec, what is known of networks, and the history."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import get_args

from atelier_searcher.decision import Networks
from atelier_searcher.history import Status, Trial
from atelier_store import marks
from atelier_store.errors import InvalidInput
from atelier_store.spec import Kind, Spec, sha256_of
from atelier_trial.space import BUILT_IN, InvalidParams, canonicalise
from pydantic import ValidationError

from atelier_suggestion import katib_pb2 as katib

ALGORITHM = "atelier"
SETTING = "spec"
"""The algorithm's setting that holds the search's spec.json, as far as it decides what is suggested."""
WHERE = f"algorithm {ALGORITHM}: setting {SETTING}"

RUNNING = (katib.TrialStatus.CREATED, katib.TrialStatus.RUNNING, katib.TrialStatus.UNKNOWN)
"""Conditions of a trial that has not ended; Katib says UNKNOWN of one whose pod waits."""


class InvalidSettings(InvalidInput):
    """An Experiment that is not as the chart writes it."""


def spec_of(experiment: katib.Experiment, asked_for: int = 1) -> Spec:
    """The search's spec: that of the setting, with Katib's counts, which may be raised while it runs.

    asked_for are the trials that Katib wants in all, which is more than maxTrialCount where some had no metrics.
    InvalidSettings.
    """
    settings = {setting.name: setting.value for setting in experiment.spec.algorithm.algorithm_settings}
    if SETTING not in settings:
        raise InvalidSettings([f"{WHERE}: is missing; the chart writes it"])
    counts = {
        "parallelTrialCount": max(1, experiment.spec.parallel_trial_count),
        "maxTrialCount": max(1, experiment.spec.max_trial_count, asked_for),
        "maxFailedTrialCount": 0,
    }
    try:
        said = json.loads(settings[SETTING])
        spec = Spec.model_validate(said | {"experiment": said["experiment"] | counts})
    except ValidationError as error:
        release = "the service may be of another release than the chart"
        reasons = [f"{WHERE}: {'.'.join(map(str, e['loc']))}: {e['msg']}; {release}" for e in error.errors()]
        raise InvalidSettings(reasons) from error
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidSettings([f"{WHERE}: is no spec of a search: {type(error).__name__}: {error}"]) from error
    if (name := spec.experiment.algorithm.algorithm_name) != ALGORITHM:
        raise InvalidSettings([f"{WHERE}: experiment.algorithm.algorithmName: {name}; allowed: {ALGORITHM}"])
    if spec.experiment.experience.enabled:
        only = "is for one machine only: the service has no store to learn from"
        raise InvalidSettings([f"{WHERE}: experiment.experience.enabled: true {only}"])
    return spec


def networks_of(spec: Spec) -> Networks:
    """What is known of a network without its data: which others it equals. Their cost is known to trials alone.

    Where the kind of the data is not said, the first decides that has all the parameters; the others that have them
    agree on which networks are equal.
    """
    trainer = spec.trainer
    kinds: tuple[Kind, ...] = get_args(Kind) if trainer.data.kind == "auto" else (trainer.data.kind,)

    def key(params: dict[str, str]) -> str:
        if trainer.network == BUILT_IN:  # the module of another one is where trials run
            for kind in kinds:
                with suppress(InvalidParams):
                    return sha256_of(canonicalise(params, kind, trainer.data.task))[:16]
        return sha256_of(params)[:16]

    return Networks(key)


def history_of(spec: Spec, networks: Networks, trials: Iterable[katib.Trial]) -> list[Trial]:
    """One trial for each network, in the order in which Katib's trials were named.

    Several of Katib's trials have one network if it was paused and went on: the last one says how it stands.
    """
    history: dict[str, Trial] = {}
    for trial in sorted(trials, key=lambda trial: (number_of(trial), trial.name)):
        params = {one.name: one.value for one in trial.spec.parameter_assignments.assignments}
        key = networks.key(params)
        seen = Trial(params, key, *_outcome(spec, trial.status))
        before = history.get(key, seen)
        values = seen.values if len(seen.values) >= len(before.values) else before.values
        history[key] = replace(before, status=seen.status, values=values)
    return list(history.values())


def _outcome(spec: Spec, status: katib.TrialStatus) -> tuple[Status, tuple[float, ...]]:
    """How a trial stands, and the objective after each of its epochs."""
    if status.condition in RUNNING:
        return "running", ()
    if status.condition != katib.TrialStatus.SUCCEEDED:
        return "failed", ()
    names = {name: epoch for epoch, name in marks.names(spec).items()}
    told = {names[one.name]: one.value for one in status.observation.metrics if one.name in names}
    values = tuple(_filled(told))
    if not values:
        return "over_budget", ()
    return "succeeded" if len(values) == spec.trainer.max_epochs else "paused", values


def _filled(told: dict[int, str]) -> Iterator[float]:
    """The curve up to the last epoch that was told; an epoch that was not told has the value of the next that was."""
    epoch = 0
    for end, text in sorted(told.items()):
        with suppress(ValueError):  # Katib says "unavailable" of an epoch that was not reached
            value = float(text)
            if math.isfinite(value):
                yield from (value for _ in range(epoch, end))
                epoch = end


def name_of(experiment: str, number: int) -> str:
    """The name of Katib's trial with this number, from 0; at most 40 + 6 characters for any search that can be run."""
    return f"{experiment}-{number:04}"


def number_of(trial: katib.Trial) -> int:
    """The number in a trial's name; -1 if it was named by somebody else."""
    digits = re.search(r"-(\d{4,})$", trial.name)
    return int(digits[1]) if digits else -1
