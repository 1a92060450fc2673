"""What differs between two specs: what a search is asked for, as the values say it.

Two spellings of one thing do not differ: the order of parameters and choices, 0.10 and 0.1, a default that is written
out, a file that is read from elsewhere and has the same content.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from atelier_store.differences.difference import Change, Difference, compared, compared_each
from atelier_store.spec import (
    FAILED_TRIALS,
    Algorithm,
    Data,
    DataFile,
    EarlyStopping,
    Experiment,
    FeasibleSpace,
    Parameter,
    PictureShape,
    Spec,
    SpecModel,
    Trainer,
)


@dataclass(frozen=True)
class SpecDifferences:
    """differences are of meaning; restated names what is only written otherwise."""

    differences: list[Difference]
    restated: list[str]


def compare(a: Spec, b: Spec) -> SpecDifferences:
    """What differs between two specs, in the order of the values. Their names on a cluster are no part of it."""
    found = [
        *_experiment(a.experiment, b.experiment),
        *_trainer(a.trainer, b.trainer),
        *_field("decisions", a.decisions, b.decisions),
    ]
    before, after = _written(a), _written(b)
    restated = [
        name
        for name in before
        if name in after and before[name] != after[name] and not any(_is_of(d, name) for d in found)
    ]
    return SpecDifferences(found, restated + _reordered(a.experiment.parameters, b.experiment.parameters))


def _experiment(a: Experiment, b: Experiment) -> Iterator[Difference]:
    yield from _field("experiment.name", a.name, b.name)
    yield from _fields("experiment.objective", _objective(a), _objective(b))
    yield from _fields("experiment.objectives", _others(a), _others(b))
    yield from _field("experiment.tolerance", a.tolerance, b.tolerance)
    yield from _field("experiment.algorithm.algorithmName", a.algorithm.algorithm_name, b.algorithm.algorithm_name)
    yield from _fields("experiment.algorithm.algorithmSettings", _settings(a.algorithm), _settings(b.algorithm))
    one, other = a.early_stopping, b.early_stopping
    yield from _field("experiment.earlyStopping.algorithmName", one.algorithm_name, other.algorithm_name)
    yield from _fields("experiment.earlyStopping.algorithmSettings", _halving(one), _halving(other))
    yield from _parameters(a.parameters, b.parameters)
    yield from _field("experiment.parallelTrialCount", a.parallel_trial_count, b.parallel_trial_count)
    yield from _field("experiment.maxTrialCount", a.max_trial_count, b.max_trial_count)
    if not all(one.max_failed_trial_count == min(FAILED_TRIALS, one.max_trial_count) for one in (a, b)):  # not auto
        yield from _field("experiment.maxFailedTrialCount", a.max_failed_trial_count, b.max_failed_trial_count)
    yield from _field("experiment.shortlist", a.shortlist and _dump(a.shortlist), b.shortlist and _dump(b.shortlist))
    yield from _fields("experiment.experience", _dump(a.experience), _dump(b.experience))
    yield from _fields("experiment.stopWhen", _dump(a.stop_when), _dump(b.stop_when))


def _objective(experiment: Experiment) -> dict[str, Any]:
    objective = experiment.objective
    others = sorted(set(objective.additional_metric_names)) or None
    return _dump(objective) | {"additionalMetricNames": others}


def _others(experiment: Experiment) -> dict[str, Any]:
    return {other.metric: _dump(other, "metric") for other in experiment.objectives}


def _settings(chosen: Algorithm | EarlyStopping) -> dict[str, Any]:
    return {setting.name: _number(setting.value) for setting in chosen.algorithm_settings}


def _halving(chosen: EarlyStopping) -> dict[str, Any]:
    """The settings, with the defaults of our own halving."""
    is_ours = chosen.algorithm_name == "halving"
    return _settings(chosen) | ({"eta": chosen.eta, "min_epochs": chosen.min_epochs} if is_ours else {})


def _trainer(a: Trainer, b: Trainer) -> Iterator[Difference]:
    yield from _data(a.data, b.data)
    yield from _fields("trainer", _training(a), _training(b))
    yield from _fields("trainer.budget", _dump(a.budget), _dump(b.budget))
    yield from _fields("trainer.finish", _dump(a.finish), _dump(b.finish))


def _training(trainer: Trainer) -> dict[str, Any]:
    defaults = {"classWeights": trainer.class_weights, "keepWeights": trainer.keep_weights}
    return _dump(trainer, "data", "budget", "finish") | defaults


def _data(a: Data, b: Data) -> Iterator[Difference]:
    apart = "files", "image", "on_unreadable"
    yield from _fields("trainer.data", _dump(a, *apart), _dump(b, *apart))
    for role in dict.fromkeys([*a.files, *b.files]):
        one, other = a.files.get(role), b.files.get(role)
        if one is None or other is None or _content(one) != _content(other):
            yield from _field(f"trainer.data.files.{role}", one and _dump(one), other and _dump(other))
    yield from _fields("trainer.data.image", _dump(a.image or PictureShape()), _dump(b.image or PictureShape()))
    yield from _field("trainer.data.onUnreadable", a.on_unreadable or "fail", b.on_unreadable or "fail")


def _content(file: DataFile) -> Any:
    """What a file is told by: its content, where that is known."""
    return file.sha256 or file


# the search space


def _parameters(a: Sequence[Parameter], b: Sequence[Parameter]) -> Iterator[Difference]:
    before, after = {one.name: one for one in a}, {one.name: one for one in b}
    for name in dict.fromkeys([*before, *after]):
        one, other = before.get(name), after.get(name)
        place = f"experiment.parameters.{name}"
        if one is None or other is None or one.parameter_type != other.parameter_type:
            yield from _field(place, one and _of_parameter(one), other and _of_parameter(other))
        elif one.parameter_type in ("categorical", "discrete"):
            yield from _choices(place, _list(one), _list(other))
        else:
            yield from _range(place, one, other)


def _of_parameter(parameter: Parameter) -> dict[str, Any]:
    space = _dump(parameter.feasible_space)
    said = {name: value for name, value in space.items() if value is not None}
    return {"parameterType": parameter.parameter_type, **said}


def _list(parameter: Parameter) -> list[Any]:
    """The choices, each once; those of a discrete parameter are numbers."""
    choices = parameter.feasible_space.list or ()
    meant = map(_number, choices) if parameter.parameter_type == "discrete" else choices
    return list(dict.fromkeys(meant))


def _choices(place: str, a: list[Any], b: list[Any]) -> Iterator[Difference]:
    if added := [choice for choice in b if choice not in a]:
        yield Difference("spec", place, "added", None, added)
    if removed := [choice for choice in a if choice not in b]:
        yield Difference("spec", place, "removed", removed, None)


def _range(place: str, a: Parameter, b: Parameter) -> Iterator[Difference]:
    one, other = a.feasible_space, b.feasible_space
    before, after = _bounds(one), _bounds(other)
    if before != after:
        yield Difference("spec", place, _direction(before, after), _said(before), _said(after))
    is_whole = a.parameter_type == "int"
    steps = _step(one, is_whole), _step(other, is_whole)
    if steps[0] != steps[1]:
        finer: Change = "finer" if (steps[1] or 0) < (steps[0] or 0) else "coarser"
        yield Difference("spec", f"{place}.step", finer, *steps)
    yield from _field(f"{place}.distribution", one.distribution or "uniform", other.distribution or "uniform")


def _bounds(space: FeasibleSpace) -> tuple[Any, Any]:
    return _number(space.min), _number(space.max)


def _direction(before: tuple[Any, Any], after: tuple[Any, Any]) -> Change:
    if None in (*before, *after):  # no profile has this
        return "changed"
    if after[0] <= before[0] and after[1] >= before[1]:
        return "widened"
    return "narrowed" if after[0] >= before[0] and after[1] <= before[1] else "moved"


def _said(bounds: tuple[Any, Any]) -> dict[str, Any]:
    return {"min": bounds[0], "max": bounds[1]}


def _step(space: FeasibleSpace, is_whole: bool) -> Any:
    """The distance of values; None is none, 1 that of whole numbers where nothing is said."""
    return _number(space.step) or (1 if is_whole else None)


# spelling


def _written(spec: Spec) -> dict[str, Any]:
    """What is written at each place that has more than one spelling."""
    experiment, data = spec.experiment, spec.trainer.data
    return {
        "experiment.objective.additionalMetricNames": experiment.objective.additional_metric_names,
        "experiment.algorithm.algorithmSettings": experiment.algorithm.algorithm_settings,
        "experiment.earlyStopping.algorithmSettings": experiment.early_stopping.algorithm_settings,
        **{f"experiment.parameters.{parameter.name}": parameter for parameter in experiment.parameters},
        **{f"trainer.data.files.{role}": file for role, file in data.files.items()},
        "trainer.data.image": data.image,
    }


def _is_of(difference: Difference, name: str) -> bool:
    return difference.name == name or difference.name.startswith(f"{name}.")


def _reordered(a: Sequence[Parameter], b: Sequence[Parameter]) -> list[str]:
    """The place of the search space, if the parameters that are in both are in another order."""
    names = [parameter.name for parameter in a], [parameter.name for parameter in b]
    before, after = ([name for name in one if name in names[0] and name in names[1]] for one in names)
    return ["experiment.parameters"] if before != after else []


def _field(name: str, a: Any, b: Any) -> Iterator[Difference]:
    return compared("spec", name, a, b)


def _fields(place: str, a: dict[str, Any], b: dict[str, Any]) -> Iterator[Difference]:
    return compared_each("spec", a, b, prefix=f"{place}.")


def _dump(model: SpecModel, *without: str) -> dict[str, Any]:
    """Its fields in the values' spelling."""
    return model.model_dump(mode="json", by_alias=True, exclude=set(without))


def _number(text: str | None) -> Any:
    """The number of a text, whole where it is; the text itself if it is none."""
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        return text
    return int(value) if value.is_integer() else value
