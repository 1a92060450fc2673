"""A profile: values files merged over the chart's defaults and checked, with every violation at its line.

Relative paths in `trainer.data.files` are relative to the folder where the command runs, not to that of the profile.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from atelier_store.errors import InvalidInput
from atelier_store.layout import Store
from atelier_store.spec import FAILED_TRIALS, AlgorithmName, Decisions, Parameter, Spec
from pydantic import ValidationError

from atelier_cli.profile import pods, rules, schema, set_values, yaml_lines
from atelier_cli.profile.chart_files import chart_file
from atelier_cli.profile.completing import complete
from atelier_cli.profile.facts import ON_A_CLUSTER, ON_ONE_MACHINE, shortlist
from atelier_cli.profile.findings import Finding, Where, at, public
from atelier_cli.profile.merging import Values, lookup, merge, overlay, with_value
from atelier_cli.profile.texts import TEXTS
from atelier_cli.profile.yaml_lines import Document, UnreadableYaml


class InvalidProfile(InvalidInput):
    """A profile that cannot be used. Each violation names its place."""


@dataclass(frozen=True)
class Profile:
    """A valid profile: all values after merging, their spec, and the name that its model is served under."""

    values: Values
    spec: Spec
    model: str

    def begun_in(self, store: Store) -> Profile:
        """The profile as this store knows its search: one that it has goes on by the rules that it began with.

        Those are which algorithm and which shortlist auto is, and which results a decision sees. ValueError if the
        search's spec.json is damaged.
        """
        for spec in (self.spec, *self._before()):
            begun = store.experiment(spec.experiment_name).spec
            if begun.exists():
                return self._with(spec, Spec.read(begun).decisions)
        return self._with(self.spec, "by-epochs")

    def _before(self) -> Iterator[Spec]:
        """The spec as this profile had it before auto was what it is."""
        experiment = self.values["experiment"]
        spec = _changed(self.spec, shortlist=None) if experiment["shortlist"] == "auto" else self.spec
        yield spec
        if experiment["algorithm"]["algorithmName"] == "auto":
            algorithm = spec.experiment.algorithm.model_copy(update={"algorithm_name": BEFORE_ATELIER})
            yield _changed(spec, algorithm=algorithm)

    def _with(self, spec: Spec, decisions: Decisions) -> Profile:
        return replace(self, spec=spec.model_copy(update={"decisions": decisions}))


BEFORE_ATELIER: AlgorithmName = "multivariate-tpe"
"""What a profile that names no algorithm got on one machine, up to release 0.1."""

PARAMETERS = at("experiment.parameters")
SOURCE = at("trainer.data.source")
ENABLED = at("experiment.enabled")


def chart_defaults() -> Values:
    """The values of a profile that says nothing."""
    return deepcopy(_values_of(chart_file("values.yaml")))


@functools.cache
def _values_of(path: Path) -> Values:
    """The values of a file of the chart: to read its YAML takes longer than all checks of a profile."""
    return yaml_lines.read(path).values


def load(
    paths: Path | Sequence[Path], overrides: Sequence[str] = (), laptop: bool = True, store: Store | None = None
) -> Profile:
    """The profile in one or more files, later ones laid over earlier ones as Helm does, over the chart's defaults.

    A search without a name is called after the first file: the others only change it.
    overrides are `trainer.maxEpochs=30`, read as Helm reads --set. laptop: reject also what only a cluster can do.
    store: the profile is as this store knows its search, and what that lacks here is rejected too.
    Raises InvalidProfile with every violation; ValueError as begun_in does.
    """
    layers = _read([paths] if isinstance(paths, Path) else paths, overrides)
    findings = schema.check(layers.values)
    broken = [finding.where for finding in findings]
    searches = at("experiment") in broken or layers.values["experiment"].get("enabled") is not False
    if searches:
        findings += _check_given(layers, broken)
    elif laptop:
        findings.append(
            Finding(ENABLED, "is false, so there is nothing to search; `atelier serve` serves what is promoted")
        )
    findings += pods.check(layers.values, [finding.where for finding in findings])
    broken = [finding.where for finding in findings] if searches else [*broken, SOURCE]
    parameters = _parameters(layers.values, broken)
    try:
        spec = _spec(layers, broken, [parameter for _, parameter in parameters], laptop)
    except ValidationError as error:  # what the schema lets through and the spec does not
        findings += [Finding(at("experiment") if not e["loc"] else tuple(e["loc"]), e["msg"]) for e in error.errors()]
        raise InvalidProfile(layers.located(findings)) from error
    if searches:
        findings += rules.check(spec, parameters, broken, laptop)
    profile = None
    if not findings:
        profile = Profile(layers.values, spec, layers.values.get("server", {}).get("model") or spec.experiment.name)
    if store is not None:
        profile = profile and profile.begun_in(store)
        findings += rules.check_stores(profile.spec if profile else spec, store)
    if profile is None or findings:
        raise InvalidProfile(layers.located(findings))
    return profile


@dataclass(frozen=True)
class _Layers:
    """The chart's defaults, the profile's files and the values of --set, merged; and where each value comes from.

    lines has the index of the file and the line there.
    """

    paths: Sequence[Path]
    defaults: Values
    values: Values
    lines: Mapping[Where, tuple[int, int]]
    set_by: Mapping[Where, str]

    def located(self, findings: Sequence[Finding]) -> list[str]:
        """Findings with their places, in the order of the files, each once."""
        placed = [(*self._place(finding.where), str(finding)) for finding in findings]
        return list(dict.fromkeys(f"{place}: {text}" for _, place, text in sorted(placed, key=lambda p: p[0])))

    def _place(self, where: Where) -> tuple[tuple[int, int], str]:
        """Where a value is written, or the innermost block around it that is; with file and line, for sorting."""
        files, first = ", ".join(map(str, self.paths)), (0, 0)
        parts = [where[:length] for length in range(len(where), 0, -1)]
        for part in parts:
            if part in self.set_by:
                return first, f"--set {self.set_by[part]}"
        for part in parts:
            if part in self.lines:
                file, line = self.lines[part]
                return (file, line), f"{self.paths[file]}:{line}"
            if part == where and _is_in(self.defaults, part) and lookup(self.defaults, part) is not None:
                return first, f"{files} (default of the chart)"
        return first, files


def _is_in(values: Values, where: Where) -> bool:
    try:
        lookup(values, where)
    except KeyError:
        return False
    return True


def _read(paths: Sequence[Path], overrides: Sequence[str]) -> _Layers:
    defaults = chart_defaults()
    violations: list[str] = []
    user: Values = {}
    lines: dict[Where, tuple[int, int]] = {}
    set_by: dict[Where, str] = {}
    for index, path in enumerate(paths):
        try:
            document = yaml_lines.read(path)
        except UnreadableYaml as error:
            violations += [
                f"{path}:{line}: {reason}" if line else f"{path}: {reason}" for line, reason in error.findings
            ]
            continue
        user = overlay(user, document.values)
        lines = _lines_that_count(lines, document) | {where: (index, line) for where, line in document.lines.items()}
    for argument in overrides:
        text = argument.encode(errors="surrogateescape").decode(errors="replace")  # UTF-8, whatever the locale says
        try:
            for where, value in set_values.read(text):
                user = with_value(user, where, value)
                set_by[where] = public(text)
        except set_values.InvalidSet as error:
            violations.append(f"--set {public(text)}: {error}")
    if violations:
        raise InvalidProfile(violations)
    return _Layers(paths, defaults, complete(merge(defaults, user), defaults), lines, set_by)


def _lines_that_count(lines: dict[Where, tuple[int, int]], over: Document) -> dict[Where, tuple[int, int]]:
    """Lines of earlier files, without those below a value that a later file replaces."""
    replaced = {where for where in over.lines if not _is_map(over.values, where)}
    return {
        where: line
        for where, line in lines.items()
        if not any(where[:length] in replaced for length in range(1, len(where) + 1))
    }


def _is_map(values: Values, where: Where) -> bool:
    return _is_in(values, where) and isinstance(lookup(values, where), dict)


def _check_given(layers: _Layers, broken: Sequence[Where]) -> Iterator[Finding]:
    """Values that have no default and are not given: the source, and a name where the file's cannot stand for it."""
    is_readable = not any(where == SOURCE[: len(where)] for where in broken)
    if is_readable and layers.values["trainer"]["data"].get("source") is None:
        yield Finding(SOURCE, f"is missing; allowed: {TEXTS['source'].words}")
    name_at = at("experiment.name")
    is_named = any(where == name_at[: len(where)] for where in broken) or layers.values["experiment"]["name"]
    stem = layers.paths[0].stem
    if not is_named and TEXTS["search"].refuse(stem):
        yield Finding(name_at, f"is empty, and the file's name {stem!r} cannot stand for it; say one")


def _parameters(values: Values, broken: Sequence[Where]) -> list[tuple[int, Parameter]]:
    """The parameters that can be read, with their indices in the list."""
    if any(where == PARAMETERS[: len(where)] for where in broken):
        return []
    unsound = {where[2] for where in broken if where[:2] == PARAMETERS}
    readable = ((index, raw) for index, raw in enumerate(values["experiment"]["parameters"]) if index not in unsound)
    return [(index, _parameter(raw)) for index, raw in readable]


def _parameter(raw: Values) -> Parameter:
    feasible = {key: value for key, value in raw["feasibleSpace"].items() if value is not None}
    return Parameter.model_validate(raw | {"feasibleSpace": _as_text(feasible)})


def _spec(layers: _Layers, broken: Sequence[Where], parameters: Sequence[Parameter], laptop: bool) -> Spec:
    """The spec of the values. A default replaces what is broken in them, so that the rest can be checked."""
    values = layers.values
    for where in broken:
        if where[:2] != PARAMETERS or len(where) == 2:
            values = _without(values, layers.defaults, where)
    experiment = {key: value for key, value in values["experiment"].items() if key != "enabled"}
    trainer = dict(values["trainer"])
    experiment |= {"name": experiment["name"] or layers.paths[0].stem, "parameters": parameters}
    if experiment.get("maxFailedTrialCount") == "auto":
        experiment["maxFailedTrialCount"] = min(FAILED_TRIALS, experiment["maxTrialCount"])
    if experiment.get("algorithm", {}).get("algorithmName") == "auto":
        name = ON_ONE_MACHINE if laptop else ON_A_CLUSTER
        experiment["algorithm"] = experiment["algorithm"] | {"algorithmName": name}
    if isinstance(chosen := experiment.get("shortlist"), str):
        is_wanted = chosen == "auto" and laptop
        names = [parameter.name for parameter in parameters]
        experiment["shortlist"] = shortlist(experiment, trainer["network"], names) if is_wanted else None
    for chooser in ("algorithm", "earlyStopping"):
        if "algorithmSettings" in experiment.get(chooser, {}):
            settings = [_as_text(setting) for setting in experiment[chooser]["algorithmSettings"]]
            experiment[chooser] = experiment[chooser] | {"algorithmSettings": settings}
    data = dict(trainer["data"])
    if SOURCE in broken:
        data["source"] = "sklearn"
    if data.get("image"):  # which has no defaults in values.yaml that null could stand for
        data["image"] = {key: value for key, value in data["image"].items() if value is not None}
    cluster_only = ("resources", "image", "pod", "modules")
    trainer = {key: value for key, value in trainer.items() if key not in cluster_only} | {"data": data}
    return Spec.model_validate({"experiment": experiment, "trainer": trainer})


def _changed(spec: Spec, **fields: Any) -> Spec:
    """The spec with these fields of its experiment."""
    return spec.model_copy(update={"experiment": spec.experiment.model_copy(update=fields)})


def _without(values: Values, defaults: Values, where: Where) -> Values:
    """The values with the default at a path, or at the list or free map around it. Unknown keys are removed."""
    known: Where = ()
    while known != where and _is_in(defaults, where[: len(known) + 1]):
        known = where[: len(known) + 1]
    default = lookup(defaults, known)
    if known != where and default and isinstance(default, dict):
        inner = {key: value for key, value in lookup(values, known).items() if key != where[len(known)]}
        return with_value(values, known, inner) if known else inner
    return with_value(values, known, default)


def _as_text(value: Any) -> Any:
    """Numbers and truth values as text, which Katib requires; in maps and lists too."""
    if isinstance(value, dict):
        return {key: _as_text(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_text(inner) for inner in value]
    return value if isinstance(value, str) else yaml_lines.number_text(value)
