"""Suggestions by Optuna's samplers, under Katib's algorithm names; their order never depends on the clock."""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from atelier_store.spec import AlgorithmName, Parameter, Spec
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState, create_trial

Settings = dict[str, str]
LEARNS_FROM_PRUNED = ("tpe", "multivariate-tpe")


@dataclass(frozen=True)
class Suggestion:
    """Suggested params, as Katib would pass them to a trial; number counts suggestions from 0."""

    number: int
    params: dict[str, str]


class Suggester:
    """Suggests params of a search space; the same seed and the same calls give the same suggestions.

    made holds the params of suggestions that an earlier run made, by number: they are kept, whatever would be suggested
    now.
    """

    def __init__(self, spec: Spec, made: Mapping[int, dict[str, str]] | None = None) -> None:
        experiment = spec.experiment
        self._algorithm = experiment.algorithm.algorithm_name
        self._objective = experiment.objective
        self._choices = {
            p.name: _sorted_choices(p) for p in experiment.parameters if p.parameter_type in ("discrete", "categorical")
        }
        self._distributions = {p.name: distribution(p) for p in experiment.parameters}
        settings = {setting.name: setting.value for setting in experiment.algorithm.algorithm_settings}
        seed = int(settings.pop("random_state", spec.trainer.seed))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # experimental or deprecated in Optuna; named by Katib
            sampler = SAMPLERS[self._algorithm](settings, seed)
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would log every trial
        self._study = optuna.create_study(direction=experiment.objective.type, sampler=sampler)
        self._grid = _grid(self._distributions, seed) if self._algorithm == "grid" else None
        self._made = made or {}
        self._asked: list[optuna.Trial] = []

    def ask(self) -> Suggestion | None:
        """The next suggestion; None if the grid has no other."""
        point = None
        if self._grid is not None and (point := next(self._grid, None)) is None:
            return None
        number = len(self._asked)
        trial = self._ask(point)
        made = self._made.get(number)
        if made is not None and made != self._texts(trial):
            self._study.tell(trial, state=TrialState.FAIL)
            trial = self._ask({name: self._value(name, text) for name, text in made.items()})
        self._asked.append(trial)
        return Suggestion(number, self._texts(trial))

    def _ask(self, point: dict[str, Any] | None) -> optuna.Trial:
        """Optuna's next trial; at this point, if there is one."""
        if point is not None:
            self._study.enqueue_trial(point)
        return self._study.ask(self._distributions)

    def tell(self, number: int, values: Sequence[float], is_complete: bool) -> None:
        """Report a suggestion's objective after each epoch (none: it was over budget); again once it was resumed."""
        trial = self._asked[number]
        final = self._final(trial, values, is_complete)
        if self._study.get_trials(deepcopy=False)[trial.number].state.is_finished():
            self._study.add_trial(final)
            return
        for step, value in final.intermediate_values.items():
            trial.report(value, step)
        if final.state == TrialState.COMPLETE:
            self._study.tell(trial, final.value)
        else:
            self._study.tell(trial, state=final.state)

    def tell_failed(self, number: int) -> None:
        """Report a suggestion that gave no value at all."""
        if not self._study.get_trials(deepcopy=False)[self._asked[number].number].state.is_finished():
            self._study.tell(self._asked[number], state=TrialState.FAIL)

    def _final(self, trial: optuna.Trial, values: Sequence[float], is_complete: bool) -> FrozenTrial:
        """How Optuna records it: one that stopped early as pruned if the sampler learns from that, else as complete."""
        space: dict[str, Any] = {"params": trial.params, "distributions": trial.distributions}
        if self._algorithm in LEARNS_FROM_PRUNED and not (is_complete and values):
            steps = {len(values): values[-1]} if values else {}
            value = values[-1] if values else None
            return create_trial(state=TrialState.PRUNED, value=value, intermediate_values=steps, **space)
        value = values[-1] if values else self._worst()
        state = TrialState.FAIL if value is None else TrialState.COMPLETE
        return create_trial(state=state, value=value, **space)

    def _worst(self) -> float | None:
        complete = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        values = [trial.value for trial in complete if trial.value is not None]
        return max(values, key=self._objective.rank_key, default=None)

    def _texts(self, trial: optuna.Trial) -> dict[str, str]:
        return {name: self._text(name, value) for name, value in trial.params.items()}

    def _text(self, name: str, value: Any) -> str:
        if name in self._choices:
            return self._choices[name][int(value)] if isinstance(value, int) else str(value)
        return f"{value:.10g}" if isinstance(value, float) else str(value)

    def _value(self, name: str, text: str) -> Any:
        """The value that has this text."""
        distribution = self._distributions[name]
        if isinstance(distribution, CategoricalDistribution):
            return text
        if name in self._choices:
            return self._choices[name].index(text)
        return int(text) if isinstance(distribution, IntDistribution) else float(text)


def _sorted_choices(parameter: Parameter) -> list[str]:
    """The choices of a list; numbers in ascending order, which a sampler may learn from."""
    choices = list(parameter.feasible_space.list or ())
    return sorted(choices, key=float) if parameter.parameter_type == "discrete" else choices


def distribution(parameter: Parameter) -> BaseDistribution:
    """What a sampler draws from; of numbers in a list, the place of one in ascending order."""
    space = parameter.feasible_space
    if parameter.parameter_type == "categorical":
        return CategoricalDistribution(_sorted_choices(parameter))
    if parameter.parameter_type == "discrete":
        return IntDistribution(0, len(_sorted_choices(parameter)) - 1)
    assert space.min is not None and space.max is not None
    log = space.distribution == "logUniform"
    if parameter.parameter_type == "int":
        return IntDistribution(int(space.min), int(space.max), log=log, step=int(space.step or 1))
    return FloatDistribution(
        float(space.min), float(space.max), log=log, step=float(space.step) if space.step else None
    )


def _values(distribution: BaseDistribution) -> list[Any]:
    """Every value, for a grid."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return list(range(distribution.low, distribution.high + 1, distribution.step))
    assert isinstance(distribution, FloatDistribution) and distribution.step is not None
    steps = math.floor((distribution.high - distribution.low) / distribution.step + 1e-9)
    return [distribution.low + step * distribution.step for step in range(steps + 1)]


def _grid(distributions: dict[str, BaseDistribution], seed: int) -> Iterator[dict[str, Any]]:
    """Every point of the grid once, in an order drawn from the seed (a Fisher-Yates shuffle, one draw at a time)."""
    axes = {name: _values(distribution) for name, distribution in distributions.items()}
    draw = random.Random(seed)  # noqa: S311  # no secret
    moved: dict[int, int] = {}
    for last in reversed(range(math.prod(map(len, axes.values())))):
        drawn = draw.randint(0, last)
        place, moved[drawn] = moved.get(drawn, drawn), moved.get(last, last)
        point = {}
        for name, values in axes.items():
            place, index = divmod(place, len(values))
            point[name] = values[index]
        yield point


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
            n_startup_trials=int(settings.get("n_startup_trials", 10)),
            n_ei_candidates=int(settings.get("n_ei_candidates") or settings.get("n_EI_candidates") or 24),
            **optional,
        )

    return sampler


def _cmaes(settings: Settings, seed: int) -> BaseSampler:
    sigma = float(settings["sigma"]) if "sigma" in settings else None
    return optuna.samplers.CmaEsSampler(seed=seed, sigma0=sigma, warn_independent_sampling=False)


SAMPLERS: dict[AlgorithmName, Callable[[Settings, int], BaseSampler]] = {
    "random": lambda _, seed: optuna.samplers.RandomSampler(seed),
    "tpe": _tpe(multivariate=False),
    "multivariate-tpe": _tpe(multivariate=True),
    "grid": lambda _, seed: optuna.samplers.RandomSampler(seed),  # its points are drawn by _grid
    "cmaes": _cmaes,
    "sobol": lambda _, seed: optuna.samplers.QMCSampler(
        qmc_type="sobol", scramble=True, seed=seed, warn_independent_sampling=False
    ),
    "bayesianoptimization": lambda settings, seed: optuna.samplers.GPSampler(
        seed=seed, n_startup_trials=int(settings.get("n_initial_points", 10))
    ),
}
