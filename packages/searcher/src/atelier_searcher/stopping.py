"""When a search has little left to gain: `experiment.stopWhen.expectedGainBelow`.

What may be gained at most is the regret bound of Makarova et al. 2022, Automatic Termination for Hyperparameter
Optimization: by a Gaussian process over the better half of the trials, the highest upper confidence bound in the space
less the highest lower one of a trial.
"""

from __future__ import annotations

import warnings
from dataclasses import replace

from atelier_store import halving
from atelier_store.spec import Spec
from optuna.exceptions import ExperimentalWarning
from optuna.study import StudyDirection
from optuna.terminator import RegretBoundEvaluator

from atelier_searcher import sampling
from atelier_searcher.history import History, Trial
from atelier_searcher.space import Space

LEAST_TRIALS = 20
"""Trials that can be compared, before which a search never ends by this rule."""

MOST_MODELLED = 100
"""Trials that the Gaussian process learns from at most, the best ones: its time grows with the cube of their number."""


def reason(spec: Spec, history: History) -> str | None:
    """Why the search ends, None if it goes on."""
    bound = spec.experiment.stop_when.expected_gain_below
    if bound is None:
        return None
    trials = _comparable(spec, history)
    if not trials or _most_gain(spec, trials) >= bound:
        return None
    than = f"the best of {len(trials)} at epoch {len(trials[0].values)} by {bound:g}"
    return f"no network is expected to be better than {than} (experiment.stopWhen.expectedGainBelow)"


def _comparable(spec: Spec, history: History) -> list[Trial]:
    """The trials that reached the highest rung that LEAST_TRIALS reached, with their curves up to there; or none."""
    most = spec.trainer.max_epochs
    for epoch in (most, *reversed(halving.rungs(spec.experiment.early_stopping, most))):
        reached = [replace(trial, values=trial.values[:epoch]) for trial in history if len(trial.values) >= epoch]
        if len(reached) >= LEAST_TRIALS:
            return reached
    return []


def _most_gain(spec: Spec, trials: History) -> float:
    """By how much the objective of another network may be better than the best, with a confidence of 90 %."""
    objective, space = spec.experiment.objective, Space(spec.experiment.parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        evaluator = RegretBoundEvaluator(
            top_trials_ratio=min(0.5, MOST_MODELLED / len(trials)),
            min_n_trials=LEAST_TRIALS,
            seed=sampling.seed_of(spec),
        )
    return evaluator.evaluate(sampling.completed(objective, space, trials), StudyDirection[objective.type.upper()])
