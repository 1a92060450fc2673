"""What is wrong with a profile beyond its shape: values that contradict each other, or that Katib, an algorithm or a builder refuses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from atelier_store.spec import Data, Experiment, Kind, Parameter, Setting, SourceName, Spec, Task
from atelier_trial import space
from atelier_trial.data.errors import DataError
from atelier_trial.data.files import locate
from atelier_trial.data.sources import BUNDLED

from atelier_cli.profile.findings import Finding, Where, allowed, at

EXPERIMENT: Where = ("experiment",)
METRICS: dict[Task, dict[str, str]] = {
    "classification": {
        "val_accuracy": "maximize",
        "val_macro_f1": "maximize",
        "val_loss": "minimize",
        "train_loss": "minimize",
    },
    "regression": {
        "val_rmse": "minimize",
        "val_mae": "minimize",
        "val_r2": "maximize",
        "val_loss": "minimize",
        "train_loss": "minimize",
    },
}
"""Metrics of a task, and which way each is better."""


@dataclass(frozen=True)
class Number:
    """A setting that is a number, whole or real; an open bound is itself not allowed."""

    low: float
    high: float = math.inf
    whole: bool = True
    is_open: bool = False

    def refuse(self, text: str) -> str | None:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        inside = self.low < value < self.high if self.is_open else self.low <= value <= self.high
        # the store reads whole settings with int(), which takes no "3.0"
        if inside and (not self.whole or text.strip().lstrip("+-").isdigit()):
            return None
        low, high = ("above", " and below") if self.is_open else ("from", " to")
        bound = f"{low} {self.low:g}" + (f"{high} {self.high:g}" if self.high < math.inf else "")
        return f"{text!r} is not allowed; allowed: {'whole numbers' if self.whole else 'numbers'} {bound}"


@dataclass(frozen=True)
class Choice:
    """A setting that is one of a few words."""

    words: tuple[str, ...]

    def refuse(self, text: str) -> str | None:
        return None if text in self.words else f"{text!r} is not allowed; {allowed(self.words, text)}"


Check = tuple[Callable[[], Iterator[Finding]], tuple[str, ...]]
"""A check, and the paths of what it reads."""

SEED = Number(0, 2**32 - 1)
ALGORITHM_SETTINGS: dict[str, dict[str, Number | Choice]] = {
    "random": {"random_state": SEED},
    "tpe": {
        "gamma": Number(0, 1, whole=False, is_open=True),
        "prior_weight": Number(0, whole=False, is_open=True),
        "n_EI_candidates": Number(1),
        "random_state": SEED,
    },
    "multivariate-tpe": {"n_startup_trials": Number(0), "n_ei_candidates": Number(1), "random_state": SEED},
    "grid": {"random_state": SEED},
    "cmaes": {
        "random_state": SEED,
        "sigma": Number(0, whole=False, is_open=True),
        "restart_strategy": Choice(("ipop", "bipop", "none")),
    },
    "sobol": {},
    "bayesianoptimization": {
        "base_estimator": Choice(("GP", "RF", "ET", "GBRT")),
        "n_initial_points": Number(1),
        "acq_func": Choice(("gp_hedge", "LCB", "EI", "PI", "EIps", "PIps")),
        "acq_optimizer": Choice(("auto", "sampling", "lbfgs")),
        "random_state": SEED,
    },
}
"""Katib's settings (v0.19, pkg/suggestion/v1beta1)."""
EARLY_STOPPING_SETTINGS: dict[str, dict[str, Number | Choice]] = {
    "halving": {"eta": Number(2), "min_epochs": Number(1)},
    "medianstop": {"min_trials_required": Number(1), "start_step": Number(1)},
    "none": {},
}


def check(
    spec: Spec, parameters: Sequence[tuple[int, Parameter]], broken: Sequence[Where], laptop: bool
) -> Iterator[Finding]:
    """Every contradiction in a spec.

    parameters are those that can be read, with their places in the list; what rests on a broken path is not checked, it would only
    repeat what is known. laptop: refuse also what only a cluster can do.
    """
    experiment, trainer = spec.experiment, spec.trainer
    kind = known_kind(trainer.data)
    checks: list[Check] = [
        (lambda: check_objective(experiment, trainer.data.task), ("experiment.objective", "trainer.data.task")),
        (lambda: check_algorithm(experiment, parameters, laptop), ("experiment.algorithm",)),
        (lambda: check_grid(experiment), ("experiment.algorithm", "experiment.parameters", "experiment.maxTrialCount")),
        (lambda: check_early_stopping(experiment, laptop), ("experiment.earlyStopping",)),
        (lambda: check_parallel(experiment), ("experiment.parallelTrialCount", "experiment.maxTrialCount")),
        (lambda: check_failed(experiment), ("experiment.maxFailedTrialCount", "experiment.maxTrialCount")),
        (
            lambda: check_data(trainer.data),
            ("trainer.data.source", "trainer.data.name", "trainer.data.files", "trainer.data.target"),
        ),
        (lambda: check_labels(trainer.data), ("trainer.data.labels", "trainer.data.task")),
    ]
    if kind is not None:
        reads: tuple[str, ...] = (
            "trainer.data.source",
            "trainer.data.name",
            "trainer.data.kind",
            "trainer.data.task",
            "trainer.network",
        )
        checks.append((lambda: check_builders(parameters, kind, trainer.data.task, trainer.network), reads))
    yield from check_parameters(parameters, ("experiment", "parameters") in broken)
    for run, paths in checks:
        if not any(_overlap(at(path), other) for path in paths for other in broken):
            yield from run()


def _overlap(a: Where, b: Where) -> bool:
    short = min(len(a), len(b))
    return a[:short] == b[:short]


# the search space


def check_parameters(parameters: Sequence[tuple[int, Parameter]], broken: bool) -> Iterator[Finding]:
    """What is wrong with parameters, each for itself and by their names."""
    where = (*EXPERIMENT, "parameters")
    if not parameters and not broken:
        yield Finding(where, "is empty; a search needs at least one parameter")
    first: dict[str, int] = {}
    for index, parameter in parameters:
        if first.setdefault(parameter.name, index) != index:
            yield Finding(
                (*where, index, "name"),
                f"{parameter.name} is there twice; the first is experiment.parameters[{first[parameter.name]}]",
            )
        check_one = _check_range if parameter.parameter_type in ("int", "double") else _check_list
        yield from check_one((*where, index, "feasibleSpace"), parameter)


def _check_range(where: Where, parameter: Parameter) -> Iterator[Finding]:
    kind, feasible = parameter.parameter_type, parameter.feasible_space
    if feasible.list is not None:
        yield Finding((*where, "list"), f"{kind} has no list; allowed: min, max, step, distribution")
    numbers: dict[str, float] = {}
    for name in ("min", "max", "step"):
        text = getattr(feasible, name)
        if text is None:
            if name != "step":
                yield Finding((*where, name), f"is missing; {kind} needs min and max")
            continue
        value = float(text)
        if not math.isfinite(value):
            yield Finding((*where, name), f"{text} is not a finite number")
        elif kind == "int" and not text.lstrip("+-").isdigit():
            yield Finding((*where, name), f"{text} is not a whole number, as int needs")
        else:
            numbers[name] = value
    if numbers.get("min", -math.inf) > numbers.get("max", math.inf):
        yield Finding((*where, "min"), f"{feasible.min} is more than max {feasible.max}")
    if numbers.get("step", 1) <= 0:
        yield Finding((*where, "step"), f"{feasible.step} is not allowed; it must be more than 0")
    if feasible.distribution in ("logUniform", "logNormal") and numbers.get("min", 1) <= 0:
        yield Finding(
            (*where, "min"), f"{feasible.min} is not allowed with {feasible.distribution}; it must be more than 0"
        )


def _check_list(where: Where, parameter: Parameter) -> Iterator[Finding]:
    kind, feasible = parameter.parameter_type, parameter.feasible_space
    for name in ("min", "max", "step", "distribution"):
        if getattr(feasible, name) is not None:
            yield Finding((*where, name), f"{kind} has no {name}; allowed: list")
    if not feasible.list:
        yield Finding((*where, "list"), f"is missing; {kind} needs the list of its values")
        return
    for index, text in enumerate(feasible.list):
        if text in feasible.list[:index]:
            yield Finding((*where, "list", index), f"{text} is there twice")
        if kind == "discrete" and not _is_finite(text):
            yield Finding(
                (*where, "list", index), f"{text!r} is not a number, as discrete needs; words are categorical"
            )


def _is_finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def check_builders(
    parameters: Sequence[tuple[int, Parameter]], kind: Kind, task: Task, network: str
) -> Iterator[Finding]:
    """The values of the search space that no builder accepts, with their places."""
    try:
        known = space.domains(kind, task, network)
    except space.InvalidParams as error:
        for line in error.violations:
            yield Finding(at("trainer.network"), line.removeprefix("trainer.network: "))
        return
    for index, parameter in parameters:
        where = (*EXPERIMENT, "parameters", index)
        domain = known.get(parameter.name)
        if domain is None:
            yield Finding(
                (*where, "name"),
                f"{parameter.name}: unknown parameter for {kind}; {allowed(sorted(known), parameter.name)}",
            )
            continue
        for field, text in _values(parameter):
            try:
                domain.parse(text)
            except ValueError as error:
                yield Finding((*where, "feasibleSpace", *field), f"{parameter.name}: {error}")


def _values(parameter: Parameter) -> Iterator[tuple[Where, str]]:
    """The outermost values of a parameter, with their places; what does not fit its type is found elsewhere."""
    feasible = parameter.feasible_space
    if parameter.parameter_type in ("int", "double"):
        yield from (
            ((name,), text) for name, text in (("min", feasible.min), ("max", feasible.max)) if text is not None
        )
    else:
        yield from ((("list", index), text) for index, text in enumerate(feasible.list or ()))


# who suggests, and when a trial ends


def check_algorithm(
    experiment: Experiment, parameters: Sequence[tuple[int, Parameter]], laptop: bool
) -> Iterator[Finding]:
    """Settings that the algorithm does not know, and parameters that it cannot search."""
    algorithm = experiment.algorithm
    name = algorithm.algorithm_name
    yield from _check_settings((*EXPERIMENT, "algorithm"), name, ALGORITHM_SETTINGS[name], algorithm.algorithm_settings)
    numeric = [p for _, p in parameters if p.parameter_type in ("int", "double")]
    if name == "cmaes" and len(numeric) < 2:
        yield Finding(
            (*EXPERIMENT, "algorithm", "algorithmName"),
            f"cmaes needs at least 2 int or double parameters; there are {len(numeric)}",
        )
    for index, parameter in parameters:
        where, feasible = (*EXPERIMENT, "parameters", index, "feasibleSpace"), parameter.feasible_space
        if name == "grid" and parameter.parameter_type == "double" and feasible.step is None:
            yield Finding((*where, "step"), "is missing; grid needs the step of a double")
        if (
            name == "bayesianoptimization"
            and parameter.parameter_type == "double"
            and feasible.min
            and float(feasible.min) <= 0
        ):
            yield Finding(
                (*where, "min"),
                f"{feasible.min} is not allowed: bayesianoptimization draws a double from its logarithm; allowed: more than 0",
            )
        if feasible.distribution in ("normal", "logNormal") and (laptop or name not in ("random", "tpe")):
            who = f"one machine's {name}" if laptop else name
            yield Finding(
                (*where, "distribution"),
                f"{who} cannot draw from {feasible.distribution}; allowed: uniform, logUniform",
            )


def check_grid(experiment: Experiment) -> Iterator[Finding]:
    """More trials than a grid has points."""
    if experiment.algorithm.algorithm_name != "grid":
        return
    sizes = [_size(parameter) for parameter in experiment.parameters]
    if all(sizes) and math.prod(sizes) < experiment.max_trial_count:
        yield Finding(
            (*EXPERIMENT, "maxTrialCount"),
            f"{experiment.max_trial_count} is more than the {math.prod(sizes)} points of the grid",
        )


def _size(parameter: Parameter) -> int:
    """How many values a grid has of a parameter; 0 if it cannot be said."""
    feasible = parameter.feasible_space
    if feasible.list:
        return len(feasible.list)
    if not (feasible.min and feasible.max):
        return 0
    step = float(feasible.step or (1 if parameter.parameter_type == "int" else 0))
    width = float(feasible.max) - float(feasible.min)
    return math.floor(width / step + 1e-9) + 1 if step > 0 and 0 <= width < math.inf else 0


def check_early_stopping(experiment: Experiment, laptop: bool) -> Iterator[Finding]:
    """Settings that the rule does not know, and rules that only Katib has."""
    stopping, where = experiment.early_stopping, (*EXPERIMENT, "earlyStopping")
    name = stopping.algorithm_name
    yield from _check_settings(where, name, EARLY_STOPPING_SETTINGS[name], stopping.algorithm_settings)
    if laptop and name == "medianstop":
        yield Finding(
            (*where, "algorithmName"),
            "medianstop is Katib's and runs on a cluster only; allowed on one machine: halving, none",
        )


def _check_settings(
    where: Where, owner: str, known: dict[str, Number | Choice], settings: Sequence[Setting]
) -> Iterator[Finding]:
    names = [setting.name for setting in settings]
    for index, setting in enumerate(settings):
        here = (*where, "algorithmSettings", index)
        if setting.name not in known:
            yield Finding((*here, "name"), f"{owner} has no setting {setting.name}; {allowed(known, setting.name)}")
            continue
        if setting.name in names[:index]:
            yield Finding((*here, "name"), f"{setting.name} is there twice")
        refused = known[setting.name].refuse(setting.value)
        if refused:
            yield Finding((*here, "value"), f"{setting.name}: {refused}")


# objective and counts


def check_objective(experiment: Experiment, task: Task) -> Iterator[Finding]:
    """Metrics that the task does not have, and directions that would look for the worst."""
    objective, where, known = experiment.objective, (*EXPERIMENT, "objective"), METRICS[task]
    metric = objective.objective_metric_name
    if metric not in known:
        yield Finding((*where, "objectiveMetricName"), f"{task} has no {metric}; {allowed(known, metric)}")
    elif objective.type != known[metric]:
        yield Finding((*where, "type"), f"{objective.type} {metric} would look for the worst; allowed: {known[metric]}")
    for index, name in enumerate(objective.additional_metric_names):
        if name not in known:
            yield Finding((*where, "additionalMetricNames", index), f"{task} has no {name}; {allowed(known, name)}")
        elif name == metric:
            yield Finding((*where, "additionalMetricNames", index), f"{name} is the objective already")


def check_parallel(experiment: Experiment) -> Iterator[Finding]:
    """More trials at once than there are trials."""
    parallel, most = experiment.parallel_trial_count, experiment.max_trial_count
    if parallel != "auto" and parallel > most:
        yield Finding((*EXPERIMENT, "parallelTrialCount"), f"{parallel} is more than maxTrialCount {most}")


def check_failed(experiment: Experiment) -> Iterator[Finding]:
    """More failures allowed than there are trials."""
    failed, most = experiment.max_failed_trial_count, experiment.max_trial_count
    if failed > most:
        yield Finding((*EXPERIMENT, "maxFailedTrialCount"), f"{failed} is more than maxTrialCount {most}")


# data


def known_kind(data: Data) -> Kind | None:
    """What examples are, as far as it is known before the data are opened."""
    if data.kind != "auto":
        return data.kind
    by_source: dict[SourceName, Kind | None] = {"idx": "images", "images": "images", "csv": "rows", "npz": None}
    if data.source == "sklearn":
        return "images" if data.name == "digits" else "rows" if data.name in BUNDLED else None
    return by_source[data.source]


def check_data(data: Data) -> Iterator[Finding]:
    """Names and files that the source does not have, or needs; no file is opened."""
    if data.source == "sklearn" and data.name not in BUNDLED:
        given = "is missing" if data.name is None else f"{data.name!r} is not bundled with scikit-learn"
        yield Finding(at("trainer.data.name"), f"{given}; {allowed(BUNDLED, data.name)}")
    if data.source != "sklearn" and data.name is not None:
        yield Finding(at("trainer.data.name"), f"source {data.source} has no name; it is for sklearn")
    if data.source == "csv" and data.target is None:
        yield Finding(at("trainer.data.target"), "is missing; csv needs the column that is to be predicted")
    if data.source != "csv" and data.target is not None:
        yield Finding(at("trainer.data.target"), f"source {data.source} has no columns by name; it is for csv")
    try:
        locate(data, Path(), Path())
    except DataError as error:
        for line in error.violations:
            path, _, reason = line.partition(": ")
            yield Finding(at(path), reason)


def check_labels(data: Data) -> Iterator[Finding]:
    """Names of classes where there are none."""
    if data.task == "regression" and data.labels is not None:
        yield Finding(at("trainer.data.labels"), "only classes have labels; allowed for regression: null")
