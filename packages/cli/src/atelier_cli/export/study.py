"""A search as an Optuna study in a journal file, for optuna-dashboard and for `optuna.load_study`.

A trial that was paused or stopped early is pruned, one that is over the budget violates a constraint, and what is known
of it beside its value is in its user attributes. Optuna has no word for a tail: it has the parameters of its parent.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import optuna
from atelier_searcher.space import distribution
from atelier_store.records import Status
from atelier_store.spec import Budget, Parameter, Spec
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial, TrialState

from atelier_cli.export.trials import Trial, told

STATES: dict[Status, TrialState] = {
    "running": TrialState.RUNNING,
    "paused": TrialState.PRUNED,
    "stopped": TrialState.PRUNED,
    "succeeded": TrialState.COMPLETE,
    "over_budget": TrialState.COMPLETE,
    "failed": TrialState.FAIL,
}


class _Memory(BaseJournalBackend):
    """A journal in memory: Optuna's own file syncs every line."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        return map(json.loads, self.lines[log_number_from:])

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self.lines += (json.dumps(log, separators=(",", ":"), allow_nan=False) for log in logs)


def journal(spec: Spec, trials: Sequence[Trial]) -> str:
    """The content of a journal file with one study, which has the name of the experiment."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would log every trial
    memory = _Memory()
    objective = spec.experiment.objective
    study = optuna.create_study(
        storage=JournalStorage(memory), study_name=spec.experiment_name, direction=objective.type
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names([objective.objective_metric_name])
    space = {parameter.name: _distribution(parameter) for parameter in spec.experiment.parameters}
    for trial in trials:
        if trial.is_made or trial.is_retrained:
            continue  # a sampler would learn from it that no parameters are good
        study.add_trial(_frozen(trial, spec, space))
    return "".join(f"{line}\n" for line in memory.lines)


def _distribution(parameter: Parameter) -> BaseDistribution:
    """As it is searched, but numbers of a list as such: a sampler takes their places in it."""
    if parameter.parameter_type == "discrete":
        return CategoricalDistribution([_number(text) for text in parameter.feasible_space.list or ()])
    return distribution(parameter)


def _number(text: str) -> Any:
    value = float(text)
    return int(value) if value.is_integer() else value


def _frozen(trial: Trial, spec: Spec, space: dict[str, BaseDistribution]) -> FrozenTrial:
    objective = spec.experiment.objective.objective_metric_name
    params = _params(trial.parameters, space)
    state = TrialState.FAIL if trial.entry.status == "rejected" else STATES[trial.entry.status]
    if state == TrialState.COMPLETE and trial.entry.metric is None:
        state = TrialState.FAIL
    values = {epoch.epoch: epoch.metrics[objective] for epoch in trial.curve if objective in epoch.metrics}
    started = trial.started_at or trial.ended_at or trial.suggested_at
    return FrozenTrial(
        number=-1,  # the study says it
        trial_id=-1,
        state=state,
        value=trial.entry.metric if state in (TrialState.COMPLETE, TrialState.PRUNED) else None,
        datetime_start=started,
        datetime_complete=None if state == TrialState.RUNNING else max(started, trial.ended_at or started),
        params=params,
        distributions={name: space[name] for name in params},
        user_attrs=_attributes(trial, objective, params),
        system_attrs=_constraints(trial, spec.trainer.budget),
        intermediate_values=values,
    )


def _params(texts: dict[str, str], space: dict[str, BaseDistribution]) -> dict[str, Any]:
    """The values of those parameters that the space contains: it may have been another one when they were suggested."""
    params: dict[str, Any] = {}
    for name, text in texts.items():
        if name not in space:
            continue
        one = space[name]
        is_word = isinstance(one, CategoricalDistribution) and all(isinstance(choice, str) for choice in one.choices)
        try:
            value = text if is_word else _number(text)
            if one._contains(one.to_internal_repr(value)):
                params[name] = value
        except ValueError:
            continue
    return params


def _attributes(trial: Trial, objective: str, params: Collection[str]) -> dict[str, Any]:
    """What else is known; parameters only if they are none of these params."""
    others = {name: text for name, text in trial.parameters.items() if name not in params}
    shown = told(trial, objective) | {"parameters": others}
    apart = ("number", "objective_metric_name", "metric", "started_at", "ended_at")
    return {name: value for name, value in shown.items() if value not in (None, {}) and name not in apart}


def _constraints(trial: Trial, budget: Budget) -> dict[str, Any]:
    """By what share the budget is exceeded most, as a list, which optuna-dashboard reads; none if nothing is known."""
    latency = trial.card.latency if trial.card else None
    costs = (
        (trial.entry.params, budget.params),
        (trial.entry.macs, budget.macs),
        (latency.p50_ms if latency else None, budget.latency_ms),
    )
    shares = [cost / bound - 1 for cost, bound in costs if cost is not None and bound is not None]
    return {"constraints": [max(shares)]} if shares else {}
