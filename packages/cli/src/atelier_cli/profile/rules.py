"""What is wrong with a profile beyond its schema: rules that compare values or read numbers in text.

The chart's _checks.tpl has those of a cluster once more, since Helm runs no Python: a test compares what both say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from atelier_store import mirror
from atelier_store.errors import InvalidInput
from atelier_store.in_words import counted
from atelier_store.layout import Store
from atelier_store.spec import Data, Experiment, Kind, Parameter, Setting, Spec, Trainer
from atelier_trial import own_code, own_metrics, space
from atelier_trial.data.errors import DataError
from atelier_trial.data.files import locate

from atelier_cli.profile.facts import ALGORITHM_SETTINGS, EARLY_STOPPING_SETTINGS, METRICS, Choice, Number, known_kind
from atelier_cli.profile.findings import Finding, Where, allowed, at

EXPERIMENT: Where = ("experiment",)
ONE_OBJECTIVE = "for one machine only: an Experiment of Katib has one objective; leave it out"
Check = tuple[Callable[[], Iterator[Finding]], tuple[str, ...]]
"""A check, and the paths of what it reads."""


def check(
    spec: Spec, parameters: Sequence[tuple[int, Parameter]], broken: Sequence[Where], laptop: bool
) -> Iterator[Finding]:
    """Every contradiction in a spec.

    parameters are those that can be read, with their indices in the list. A check that reads a broken path does not
    run: it would repeat what is known. laptop: reject also what only a cluster can do.
    """
    experiment, trainer = spec.experiment, spec.trainer
    kind = known_kind(trainer.data)
    space_and_algorithm = ("experiment.algorithm", "experiment.parameters")
    checks: list[Check] = [
        (
            lambda: check_objective(experiment, trainer),
            ("experiment.objective", "trainer.data.task", "trainer.metrics"),
        ),
        (lambda: check_algorithm(experiment, parameters, laptop), ("experiment.algorithm",)),
        (lambda: check_cmaes(experiment), space_and_algorithm),
        (lambda: check_grid(experiment), (*space_and_algorithm, "experiment.maxTrialCount")),
        (lambda: check_early_stopping(experiment, laptop), ("experiment.earlyStopping",)),
        (lambda: check_searcher(experiment, laptop), ("experiment.stopWhen", "experiment.tolerance")),
        (lambda: check_experience(experiment, laptop), ("experiment.experience",)),
        (lambda: check_objectives(experiment, laptop), ("experiment.objectives", "experiment.objective")),
        (
            lambda: check_several(experiment, laptop),
            ("experiment.objectives", "experiment.algorithm", "experiment.tolerance"),
        ),
        (lambda: check_parallel(experiment), ("experiment.parallelTrialCount", "experiment.maxTrialCount")),
        (lambda: check_failed(experiment), ("experiment.maxFailedTrialCount", "experiment.maxTrialCount")),
        (lambda: check_files(trainer.data), ("trainer.data.source", "trainer.data.files")),
        (lambda: check_own("trainer.loss", trainer.loss), ("trainer.loss",)),
        (lambda: check_metrics(trainer), ("trainer.metrics",)),
    ]
    if kind is not None:
        decides = tuple(f"trainer.data.{key}" for key in ("source", "name", "kind"))
        reads = (*decides, "trainer.data.task", "trainer.network")
        checks.append((lambda: check_builders(spec, kind, parameters), reads))
        checks.append((lambda: check_mirror(trainer, kind), (*decides, "trainer.finish")))
    yield from check_parameters(
        parameters, laptop, any(_overlap(at("experiment.parameters"), other) for other in broken)
    )
    for run, paths in checks:
        if not any(_overlap(at(path), other) for path in paths for other in broken):
            yield from run()


def _overlap(a: Where, b: Where) -> bool:
    short = min(len(a), len(b))
    return a[:short] == b[:short]


# the search space


def check_parameters(parameters: Sequence[tuple[int, Parameter]], laptop: bool, broken: bool) -> Iterator[Finding]:
    """No parameters, names that repeat or are Katib's, and values of a parameter that contradict each other."""
    where = (*EXPERIMENT, "parameters")
    if not parameters and not broken:
        by_default = "only the built-in networks for rows have a space by default"
        yield Finding(where, f"is empty; allowed: at least one parameter; {by_default}")
    first: dict[str, int] = {}
    for index, parameter in parameters:
        if first.setdefault(parameter.name, index) != index:
            yield Finding(
                (*where, index, "name"),
                f"{parameter.name} is there twice; the first is experiment.parameters[{first[parameter.name]}]",
            )
        if parameter.name == "trialName" and not laptop:
            yield Finding(
                (*where, index, "name"), "trialName is what Katib calls the trial itself; choose another name"
            )
        check_one = _check_range if parameter.parameter_type in ("int", "double") else _check_list
        yield from check_one((*where, index, "feasibleSpace"), parameter)


def _check_range(where: Where, parameter: Parameter) -> Iterator[Finding]:
    feasible = parameter.feasible_space
    numbers: dict[str, float] = {}
    for name in ("min", "max", "step"):
        text = getattr(feasible, name)
        if text is not None and math.isfinite(float(text)):
            numbers[name] = float(text)
        elif text is not None:
            yield Finding((*where, name), f"{text} is not a finite number")
    if numbers.get("min", -math.inf) > numbers.get("max", math.inf):
        yield Finding((*where, "min"), f"{feasible.min} is more than max {feasible.max}")
    if numbers.get("step", 1) <= 0:
        yield Finding((*where, "step"), f"{feasible.step} is not allowed; it must be more than 0")
    is_unit = parameter.parameter_type == "int" and numbers.get("step") == 1
    if feasible.distribution == "logUniform" and "step" in numbers and not is_unit:
        yield Finding(
            (*where, "step"), f"{feasible.step} is not allowed with logUniform, which has no steps; leave it out"
        )
    if feasible.distribution in ("logUniform", "logNormal") and numbers.get("min", 1) <= 0:
        yield Finding(
            (*where, "min"), f"{feasible.min} is not allowed with {feasible.distribution}; it must be more than 0"
        )


def _check_list(where: Where, parameter: Parameter) -> Iterator[Finding]:
    texts = parameter.feasible_space.list or ()
    meant = [float(text) if parameter.parameter_type == "discrete" else text for text in texts]  # 8 and 8.0 are one
    for index, text in enumerate(texts):
        if meant[index] in meant[:index]:
            yield Finding((*where, "list", index), f"{text} is there twice")
        if parameter.parameter_type == "discrete" and not math.isfinite(float(text)):
            yield Finding((*where, "list", index), f"{text} is not a finite number")


def check_own(field: str, named: str | None) -> Iterator[Finding]:
    """A function of the user's own that cannot be imported."""
    try:
        if named is not None:
            own_code.function(field, named)
    except InvalidInput as error:
        for line in error.violations:
            yield Finding(at(field), line.removeprefix(f"{field}: "))


def check_metrics(trainer: Trainer) -> Iterator[Finding]:
    """Metrics of the user's own that cannot be imported."""
    for name, named in (trainer.metrics or {}).items():
        yield from check_own(own_metrics.field(name), named)


def check_builders(
    spec: Spec, kind: Kind, parameters: Sequence[tuple[int, Parameter]] | None = None
) -> Iterator[Finding]:
    """What no builder accepts for data of this kind, value by value: of these parameters, or of all in the spec."""
    try:
        known = space.domains(kind, spec.trainer.data.task, spec.trainer.network)
    except space.InvalidParams as error:
        for line in error.violations:
            yield Finding(at("trainer.network"), line.removeprefix("trainer.network: "))
        return
    for index, parameter in enumerate(spec.experiment.parameters) if parameters is None else parameters:
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
    """The outermost values of a parameter, with their places."""
    feasible = parameter.feasible_space
    if parameter.parameter_type in ("int", "double"):
        yield from (
            ((name,), text) for name, text in (("min", feasible.min), ("max", feasible.max)) if text is not None
        )
    else:
        yield from ((("list", index), text) for index, text in enumerate(feasible.list or ()))


def check_mirror(trainer: Trainer, kind: Kind) -> Iterator[Finding]:
    """A mirror image of what is no picture."""
    if trainer.finish.mirror and (why_not := mirror.refusal(kind)) is not None:
        yield Finding(at("trainer.finish.mirror"), why_not)


# who suggests, and when a trial ends


def check_algorithm(
    experiment: Experiment, parameters: Sequence[tuple[int, Parameter]], laptop: bool
) -> Iterator[Finding]:
    """Settings that the algorithm rejects, and parameters that it cannot search."""
    name = experiment.algorithm.algorithm_name
    settings = experiment.algorithm.algorithm_settings
    yield from _check_settings((*EXPERIMENT, "algorithm"), ALGORITHM_SETTINGS[name], settings)
    for index, parameter in parameters:
        where, feasible = (*EXPERIMENT, "parameters", index, "feasibleSpace"), parameter.feasible_space
        is_double = parameter.parameter_type == "double"
        if name == "bayesianoptimization" and is_double and feasible.min and float(feasible.min) <= 0:
            yield Finding(
                (*where, "min"),
                f"{feasible.min} is not allowed: bayesianoptimization draws a double from its logarithm; "
                "allowed: more than 0",
            )
        if laptop and feasible.distribution in ("normal", "logNormal"):
            yield Finding(
                (*where, "distribution"),
                f"one machine's {name} cannot draw from {feasible.distribution}; allowed: uniform, logUniform",
            )


def check_cmaes(experiment: Experiment) -> Iterator[Finding]:
    """Too few numbers for cmaes."""
    numeric = [parameter for parameter in experiment.parameters if parameter.parameter_type in ("int", "double")]
    if experiment.algorithm.algorithm_name == "cmaes" and len(numeric) < 2:
        yield Finding(
            (*EXPERIMENT, "algorithm", "algorithmName"),
            f"cmaes needs at least 2 int or double parameters; there are {len(numeric)}",
        )


def check_grid(experiment: Experiment) -> Iterator[Finding]:
    """More trials than a grid has points."""
    if experiment.algorithm.algorithm_name != "grid":
        return
    sizes = [_size(parameter) for parameter in experiment.parameters]
    if all(sizes) and math.prod(sizes) < experiment.max_trial_count:
        yield Finding(
            (*EXPERIMENT, "maxTrialCount"),
            f"{experiment.max_trial_count} is more than the {counted(math.prod(sizes), 'point')} of the grid",
        )


def _size(parameter: Parameter) -> int:
    """How many values a grid has of a parameter; 0 if the parameter is wrong in itself."""
    feasible = parameter.feasible_space
    if feasible.list:
        return len(feasible.list)
    if not (feasible.min and feasible.max):
        return 0
    step = float(feasible.step or (1 if parameter.parameter_type == "int" else 0))
    width = float(feasible.max) - float(feasible.min)
    return math.floor(width / step + 1e-9) + 1 if step > 0 and 0 <= width < math.inf else 0


def check_early_stopping(experiment: Experiment, laptop: bool) -> Iterator[Finding]:
    """Settings that the rule rejects, and rules that only Katib has."""
    stopping, where = experiment.early_stopping, (*EXPERIMENT, "earlyStopping")
    name = stopping.algorithm_name
    yield from _check_settings(where, EARLY_STOPPING_SETTINGS[name], stopping.algorithm_settings)
    if laptop and name == "medianstop":
        yield Finding(
            (*where, "algorithmName"),
            "medianstop is Katib's and runs on a cluster only; allowed on one machine: halving, none",
        )


def check_searcher(experiment: Experiment, laptop: bool) -> Iterator[Finding]:
    """What only the searcher of one machine can do."""
    gain, tolerance = experiment.stop_when.expected_gain_below, experiment.tolerance
    if not laptop and tolerance:
        yield Finding((*EXPERIMENT, "tolerance"), f"{tolerance:g} is {ONE_OBJECTIVE}")
    if not laptop and gain is not None:
        yield Finding(
            (*EXPERIMENT, "stopWhen", "expectedGainBelow"),
            f"{gain:g} is for one machine only: Katib ends a search by its counts and its goal; leave it out",
        )


def check_experience(experiment: Experiment, laptop: bool) -> Iterator[Finding]:
    """What a searcher without a store cannot learn from."""
    if not laptop and experiment.experience.enabled:
        yield Finding(
            (*EXPERIMENT, "experience", "enabled"),
            "true is for one machine only: a cluster's searcher has no store to learn from; leave it out",
        )


def check_stores(spec: Spec, store: Store) -> Iterator[Finding]:
    """Folders of other stores that are none, unless the search has begun in this store and needs them no more."""
    experience = spec.experiment.experience
    if not experience.enabled or store.experiment(spec.experiment_name).experience.exists():
        return
    for index, folder in enumerate(experience.stores):
        if not (Path(folder) / "experiments").is_dir():
            yield Finding((*EXPERIMENT, "experience", "stores", index), f"{folder} {_no_store(Path(folder))}")


def _no_store(folder: Path) -> str:
    if not folder.exists():
        return "does not exist; allowed: the folder of a store"
    if not folder.is_dir():
        return "is no folder; allowed: the folder of a store"
    return "is no store with searches: it has no folder experiments"


def _check_settings(
    where: Where, rules: Mapping[str, Number | Choice], settings: Sequence[Setting]
) -> Iterator[Finding]:
    names = [setting.name for setting in settings]
    for index, setting in enumerate(settings):
        here = (*where, "algorithmSettings", index)
        if setting.name in names[:index]:
            yield Finding((*here, "name"), f"{setting.name} is there twice")
        reason = rules[setting.name].refuse(setting.value)
        if reason:
            yield Finding((*here, "value"), f"{setting.name}: {reason}")


# objective and counts


def check_objective(experiment: Experiment, trainer: Trainer) -> Iterator[Finding]:
    """The objective named again among the other metrics; beside metrics of the user's own, a name of none."""
    objective = experiment.objective
    where = (*EXPERIMENT, "objective")
    if trainer.metrics:
        known = [*METRICS[trainer.data.task], *(f"val_{name}" for name in sorted(trainer.metrics))]
        others = [
            ((*where, "additionalMetricNames", place), name)
            for place, name in enumerate(objective.additional_metric_names)
        ]
        for here, name in [((*where, "objectiveMetricName"), objective.objective_metric_name), *others]:
            if name not in known:
                yield Finding(here, f'"{name}" is not allowed; allowed: {", ".join(known)}')
    for index, name in enumerate(objective.additional_metric_names):
        if name == objective.objective_metric_name:
            yield Finding(
                (*EXPERIMENT, "objective", "additionalMetricNames", index), f"{name} is the objective already"
            )


def check_objectives(experiment: Experiment, laptop: bool) -> Iterator[Finding]:
    """An objective named twice, and several on a cluster."""
    where, names = (*EXPERIMENT, "objectives"), [experiment.objective.objective_metric_name]
    if experiment.objectives and not laptop:
        yield Finding(where, f"is {ONE_OBJECTIVE}")
    for index, other in enumerate(experiment.objectives):
        if other.metric in names:
            yield Finding((*where, index, "metric"), f"{other.metric} is an objective already")
        names.append(other.metric)


def check_several(experiment: Experiment, laptop: bool) -> Iterator[Finding]:
    """What goes only with several objectives, or only with one."""
    if laptop and experiment.tolerance and not experiment.objectives:
        yield Finding((*EXPERIMENT, "tolerance"), f"{experiment.tolerance:g} needs experiment.objectives, to choose by")
    if laptop and experiment.objectives and experiment.algorithm.algorithm_name == "cmaes":
        yield Finding(
            (*EXPERIMENT, "algorithm", "algorithmName"),
            "cmaes has one objective; allowed with experiment.objectives: all others",
        )


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


def check_files(data: Data) -> Iterator[Finding]:
    """What a trial rejects of the files; none is opened."""
    try:
        locate(data, Path(), Path())
    except DataError as error:
        for line in error.violations:
            path, _, reason = line.partition(": ")
            yield Finding(at(path), reason)
