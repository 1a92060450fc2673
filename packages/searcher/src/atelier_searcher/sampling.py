"""Proposals under Katib's algorithm names, of Optuna's samplers and our own, from nothing but the spec and the history.

A sampler lives for one decision: its seed is that of the search and the suggestion's number, and it is told the whole
history. So a search that was stopped, or goes on in another process, gets the proposals that it would have got.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import optuna
from atelier_store import halving
from atelier_store.spec import Aim, AlgorithmName, Objective, Spec
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from atelier_searcher import gaussian
from atelier_searcher.history import History, Trial
from atelier_searcher.space import Point, Space

Settings = dict[str, str]

LEARNS_FROM_PRUNED: tuple[AlgorithmName, ...] = ("atelier", "tpe", "multivariate-tpe")
LEARNS_FROM_NOTHING: tuple[AlgorithmName, ...] = ("random", "sobol", "grid")


MAXIMIZE = Objective()

LEAST = 10
"""Results that are learnt from; with fewer, suggestions are at random, those of the Gaussian process Sobol points."""

LEAST_WITH_FEATURES = 8
"""The same of a Gaussian process that is told features; with fewer, it suggests what they promise."""

LEAST_AT_A_RUNG = 4
"""Results at a rung of halving, or at the end, from which on the Gaussian process learns from no lower rung."""

MOST_BELIEVED = 50
"""Trials that ended and are not learnt from, of which it is believed what the model expects: the last ones."""


def proposals(spec: Spec, space: Space, history: History, features: gaussian.Features | None = None) -> Iterator[Point]:
    """Points for the next trial, the best first: one, of a grid all, of a Gaussian process many.

    features tell the Gaussian process more of a point. Equal arguments give equal points.
    """
    name, number = spec.experiment.algorithm.algorithm_name, len(history)
    settings, seed = _settings(spec)
    if name == "grid":
        yield from space.points(seed)
    elif not suggests(spec, history, features is not None):
        yield _stream(opening(spec), seed, tuple(space.distributions.items())).point(number)
    elif is_modelled(spec):
        yield from _modelled(spec, space, history, _seed_of(seed, number), features)
    else:
        aims = (spec.experiment.objective, *spec.experiment.objectives)
        told = _told(spec, space, history)
        if name == "cmaes":
            study = _replayed(_study(_sampler(name, settings, seed), aims), space, told)
        else:
            known = _numbered([*told, *_running(space, history)])
            study = _study(_sampler(name, settings, _seed_of(seed, number)), aims, _Known(known))
        yield study.ask(space.distributions).params


def _modelled(
    spec: Spec, space: Space, history: History, seed: int, features: gaussian.Features | None
) -> Iterator[Point]:
    """What the Gaussian process proposes. It learns from how trials stand; one over budget stands behind all others.

    Trials that are not learnt from are believed to be what the model expects. Until it learns those are all, and
    features say what is expected: the first few results would tell too little.
    """
    stands = standing_at_a_rung(spec, history)
    stands |= {n: -1.0 for n, trial in enumerate(history) if trial.status == "over_budget" and not trial.values}
    known = set(stands) if learns(spec, history, features is not None) else set[int]()
    running = {n for n, trial in enumerate(history) if trial.status == "running"}
    ended = {n for n, trial in enumerate(history) if trial.status == "over_budget" or trial.values}
    others = (running | set(sorted(ended - known)[-MOST_BELIEVED:])) - known
    scores = np.array([stands[n] for n in sorted(known)])
    points, believed = ([space.point(history[n].params) for n in sorted(numbers)] for numbers in (known, others))
    fixed = None if known or features is None else _unscored(spec, space, features, len(history))
    yield from gaussian.proposals(space, points, scores, believed, seed, features, fixed)


def _unscored(spec: Spec, space: Space, features: gaussian.Features, number: int) -> Point | None:
    """Values of the parameters that features say nothing of, such as a learning rate, evenly over their ranges.

    The Gaussian process would take their ends, of which it is least certain; the best is seldom there.
    """
    others = tuple((name, of) for name, of in space.distributions.items() if name not in features.names)
    return _stream(opening(spec), seed_of(spec), others).point(number) if others else None


def standing(spec: Spec, history: History) -> dict[int, float]:
    """How trials stand, by number: more is better. Who came further is better; of those, who has the better value.

    So with early stopping no values of different epochs are compared.
    """
    objective = spec.experiment.objective
    return _places({n: (len(t.values), -objective.rank_key(t.values[-1])) for n, t in enumerate(history) if t.values})


def standing_at_a_rung(spec: Spec, history: History) -> dict[int, float]:
    """How those trials stand that reached the highest rung, or the end, that LEAST_AT_A_RUNG did: by the value there.

    As in BOHB (Falkner et al. 2018). At a rung what learns fast is ahead: who learns from all trials goes on to suggest
    it, and those that are better in the end never get past the rung. Without halving, all trials stand.
    """
    objective, last = spec.experiment.objective, spec.trainer.max_epochs
    rungs = halving.rungs(spec.experiment.early_stopping, last)
    for epoch in reversed([*rungs, last] if rungs else []):
        reached = {n: trial.values[epoch - 1] for n, trial in enumerate(history) if len(trial.values) >= epoch}
        if len(reached) >= LEAST_AT_A_RUNG:
            return _places({n: -objective.rank_key(value) for n, value in reached.items()})
    return standing(spec, history)


def _places(stands: Mapping[int, Any]) -> dict[int, float]:
    """The place of each in ascending order, from 0; equal ones have the same."""
    places = {stand: float(place) for place, stand in enumerate(sorted(set(stands.values())))}
    return {n: places[stand] for n, stand in stands.items()}


def draws(space: Space, seed: int, number: int) -> Iterator[Point]:
    """Random points for the suggestion with this number, without end."""
    study = _study(optuna.samplers.RandomSampler(_seed_of(seed, number)))
    while True:
        yield study.ask(space.distributions).params


def learns(spec: Spec, history: History, has_features: bool = False) -> bool:
    """Whether the algorithm learns, and knows enough results for it.

    has_features: the Gaussian process is told features, and so needs fewer.
    """
    name = spec.experiment.algorithm.algorithm_name
    settings, _ = _settings(spec)
    default = 1 if name == "cmaes" else LEAST_WITH_FEATURES if has_features and is_modelled(spec) else LEAST
    least = int(settings.get("n_startup_trials") or settings.get("n_initial_points") or default)
    known = sum(trial.status not in ("running", "failed") for trial in history)
    return name not in LEARNS_FROM_NOTHING and known >= max(least, 1 if is_modelled(spec) else 0)


def suggests(spec: Spec, history: History, has_features: bool = False) -> bool:
    """Whether the algorithm suggests; else points are drawn at random. Features lead before anything is learnt."""
    return (has_features and is_modelled(spec)) or learns(spec, history, has_features)


def opening(spec: Spec) -> AlgorithmName:
    """What suggests until the algorithm has results to learn from; itself, if it learns from none."""
    name = spec.experiment.algorithm.algorithm_name
    return name if name in LEARNS_FROM_NOTHING else "sobol" if is_modelled(spec) else "random"


def is_modelled(spec: Spec) -> bool:
    """Whether our own Gaussian process suggests, which learns from features as well. It has one objective."""
    return spec.experiment.algorithm.algorithm_name == "atelier" and not spec.experiment.objectives


def seed_of(spec: Spec) -> int:
    """The seed of a search: Katib's random_state, or else that of its trials."""
    return _settings(spec)[1]


def _settings(spec: Spec) -> tuple[Settings, int]:
    settings = {setting.name: setting.value for setting in spec.experiment.algorithm.algorithm_settings}
    return settings, int(settings.pop("random_state", spec.trainer.seed))


def _seed_of(seed: int, number: int) -> int:
    """The seed for one suggestion."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def _study(
    sampler: BaseSampler, aims: Sequence[Aim] = (MAXIMIZE,), storage: InMemoryStorage | None = None
) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would log every study
    return optuna.create_study(directions=[aim.type for aim in aims], sampler=sampler, storage=storage)


# what a sampler is told


def _told(spec: Spec, space: Space, history: History) -> list[FrozenTrial]:
    """The trials that gave something to learn from.

    One that ended early is pruned for a sampler that learns from that, else complete with its last value; one without a
    value is as bad as the worst. No sampler of several objectives learns from pruned trials (MOTPE: Ozaki et al. 2022).
    """
    objective, name = spec.experiment.objective, spec.experiment.algorithm.algorithm_name
    if spec.experiment.objectives:
        return [_frozen(space, trial, TrialState.COMPLETE) for trial in history if trial.others]
    ended = [trial for trial in history if trial.status == "over_budget" or trial.values]
    if name in LEARNS_FROM_PRUNED:
        return [
            _frozen(space, trial, TrialState.COMPLETE if trial.status == "succeeded" else TrialState.PRUNED)
            for trial in ended
        ]
    return completed(objective, space, ended)


def completed(objective: Objective, space: Space, ended: History) -> list[FrozenTrial]:
    """Trials that ended, each complete with its last value; one without a value is as bad as the worst."""
    worst = max((trial.values[-1] for trial in ended if trial.values), key=objective.rank_key, default=None)
    return [
        _frozen(space, trial, TrialState.COMPLETE, default=worst)
        for trial in ended
        if trial.values or worst is not None
    ]


def _running(space: Space, history: History) -> list[FrozenTrial]:
    """The trials that have given nothing yet; TPE keeps away from them, by a constant liar."""
    return [
        _frozen(space, trial, TrialState.RUNNING) for trial in history if trial.status == "running" and not trial.values
    ]


def _frozen(space: Space, trial: Trial, state: TrialState, default: float | None = None) -> FrozenTrial:
    values = trial.values
    return FrozenTrial(
        number=-1,
        trial_id=-1,
        state=state,
        value=None if trial.others else values[-1] if values else default,
        datetime_start=None,
        datetime_complete=None,
        params=space.point(trial.params),
        distributions=space.distributions,
        user_attrs={},
        system_attrs={},
        intermediate_values={len(values): values[-1]} if values else {},
        values=[values[-1], *trial.others] if trial.others else None,
    )


def _numbered(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials with numbers from 1 up: 0 is the first that a new study asks for."""
    for number, trial in enumerate(trials, 1):
        trial.number = number
    return list(trials)


class _Known(InMemoryStorage):
    """A study's storage that begins with trials. Adding them one by one would copy each, twice as slow as sampling."""

    def __init__(self, known: list[FrozenTrial]) -> None:
        super().__init__()
        self._known = known

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        known = [trial for trial in self._known if states is None or trial.state in states]
        return known + super().get_all_trials(study_id, deepcopy, states)


def _replayed(study: optuna.Study, space: Space, told: Sequence[FrozenTrial]) -> optuna.Study:
    """The study after these trials, for a sampler that keeps its state in those that it asked for."""
    for trial in told:
        study.enqueue_trial(trial.params)
        study.tell(study.ask(space.distributions), trial.value)
    return study


class _Stream:
    """The points of a sampler that learns nothing, by number."""

    def __init__(self, sampler: BaseSampler, distributions: dict[str, BaseDistribution]) -> None:
        self._study, self._distributions = _study(sampler), distributions
        self._points: list[Point] = []

    def point(self, number: int) -> Point:
        while len(self._points) <= number:
            trial = self._study.ask(self._distributions)
            self._study.tell(trial, 0.0)  # from the first one told, sobol knows the space
            self._points.append(trial.params)
        return self._points[number]


@lru_cache(maxsize=8)
def _stream(name: AlgorithmName, seed: int, distributions: tuple[tuple[str, BaseDistribution], ...]) -> _Stream:
    """Kept, because it is drawn from its beginning."""
    return _Stream(_sampler(name, {}, seed), dict(distributions))


# Optuna's samplers


def _sampler(name: AlgorithmName, settings: Settings, seed: int) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # experimental or deprecated in Optuna; named by Katib
        return SAMPLERS[name](settings, seed)


def _tpe(multivariate: bool) -> Callable[[Settings, int], BaseSampler]:
    def sampler(settings: Settings, seed: int) -> BaseSampler:
        optional: dict[str, Any] = {}
        if "gamma" in settings:
            optional["gamma"] = lambda trials: min(math.ceil(float(settings["gamma"]) * trials), 25)
        if "prior_weight" in settings:
            optional["prior_weight"] = float(settings["prior_weight"])
        return optuna.samplers.TPESampler(
            seed=seed,
            multivariate=multivariate,
            constant_liar=True,
            n_startup_trials=0,  # `learns` says when it begins
            n_ei_candidates=int(settings.get("n_ei_candidates") or settings.get("n_EI_candidates") or 24),
            **optional,
        )

    return sampler


def _cmaes(settings: Settings, seed: int) -> BaseSampler:
    sigma = float(settings["sigma"]) if "sigma" in settings else None
    return optuna.samplers.CmaEsSampler(seed=seed, sigma0=sigma, warn_independent_sampling=False)


SAMPLERS: dict[AlgorithmName, Callable[[Settings, int], BaseSampler]] = {
    "atelier": _tpe(multivariate=True),
    "random": lambda _, seed: optuna.samplers.RandomSampler(seed),
    "tpe": _tpe(multivariate=False),
    "multivariate-tpe": _tpe(multivariate=True),
    "cmaes": _cmaes,
    "sobol": lambda _, seed: optuna.samplers.QMCSampler(
        qmc_type="sobol", scramble=True, seed=seed, warn_independent_sampling=False
    ),
    "bayesianoptimization": lambda _, seed: optuna.samplers.GPSampler(seed=seed, n_startup_trials=0),
}
"""By Katib's names; a grid is no sampler."""
