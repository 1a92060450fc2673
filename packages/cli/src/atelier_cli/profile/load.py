"""A profile: one values file merged over the chart's defaults and checked, with every violation at its line.

Relative paths in `trainer.data.files` are relative to the folder where the command runs, not to that of the profile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from atelier_store.errors import InvalidInput
from atelier_store.spec import Parameter, SourceName, Spec
from pydantic import ValidationError

from atelier_cli.profile import pods, rules, schema, set_values, yaml_lines
from atelier_cli.profile.chart_files import chart_file
from atelier_cli.profile.completing import complete
from atelier_cli.profile.findings import Finding, Where, allowed, at
from atelier_cli.profile.merging import Values, lookup, merge, with_value
from atelier_cli.profile.texts import TEXTS
from atelier_cli.profile.yaml_lines import UnreadableYaml


class InvalidProfile(InvalidInput):
    """A profile that cannot be used. Each violation names its place."""


@dataclass(frozen=True)
class Profile:
    """A valid profile: its file, all values after merging, their spec, and the name that its model is served under."""

    path: Path
    values: Values
    spec: Spec
    model: str


PARAMETERS = at("experiment.parameters")
SOURCE = at("trainer.data.source")
ENABLED = at("experiment.enabled")


def load(path: Path, overrides: Sequence[str] = (), laptop: bool = True) -> Profile:
    """The profile at path, merged over the chart's defaults.

    overrides are `trainer.maxEpochs=30`, read as Helm reads --set. laptop: reject also what only a cluster can do.
    Raises InvalidProfile with every violation.
    """
    layers = _read(path, overrides)
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
        spec = _spec(layers, broken, [parameter for _, parameter in parameters])
        if searches:
            findings += rules.check(spec, parameters, broken, laptop)
    except ValidationError as error:  # what the schema lets through and the spec does not
        findings += [Finding(at("experiment") if not e["loc"] else tuple(e["loc"]), e["msg"]) for e in error.errors()]
    if findings:
        raise InvalidProfile(layers.located(findings))
    return Profile(path, layers.values, spec, layers.values.get("server", {}).get("model") or spec.experiment.name)


@dataclass(frozen=True)
class _Layers:
    """The chart's defaults, the profile and the values of --set, merged; and where each value comes from."""

    path: Path
    defaults: Values
    values: Values
    lines: Mapping[Where, int]
    set_by: Mapping[Where, str]

    def located(self, findings: Sequence[Finding]) -> list[str]:
        """Findings with their places, in the order of the file, each once."""
        placed = [(*self._place(finding.where), str(finding)) for finding in findings]
        return list(dict.fromkeys(f"{place}: {text}" for _, place, text in sorted(placed, key=lambda p: p[0])))

    def _place(self, where: Where) -> tuple[int, str]:
        """Where a value is written, or the innermost block around it that is; with its line, for sorting."""
        parts = [where[:length] for length in range(len(where), 0, -1)]
        for part in parts:
            if part in self.set_by:
                return 0, f"--set {self.set_by[part]}"
        for part in parts:
            if part in self.lines:
                return self.lines[part], f"{self.path}:{self.lines[part]}"
            if part == where and _is_in(self.defaults, part) and lookup(self.defaults, part) is not None:
                return 0, f"{self.path} (default of the chart)"
        return 0, str(self.path)


def _is_in(values: Values, where: Where) -> bool:
    try:
        lookup(values, where)
    except KeyError:
        return False
    return True


def _read(path: Path, overrides: Sequence[str]) -> _Layers:
    defaults = yaml_lines.read(chart_file("values.yaml")).values
    violations: list[str] = []
    try:
        document = yaml_lines.read(path)
    except UnreadableYaml as error:
        violations += [f"{path}:{line}: {reason}" if line else f"{path}: {reason}" for line, reason in error.findings]
        document = yaml_lines.Document({}, {})
    user, set_by = document.values, {}
    for text in overrides:
        try:
            for where, value in set_values.read(text):
                user = with_value(user, where, value)
                set_by[where] = text
        except set_values.InvalidSet as error:
            violations.append(f"--set {text}: {error}")
    if violations:
        raise InvalidProfile(violations)
    return _Layers(path, defaults, complete(merge(defaults, user), defaults), document.lines, set_by)


def _check_given(layers: _Layers, broken: Sequence[Where]) -> Iterator[Finding]:
    """Values that have no default and are not given: the source, and a name where the file's cannot stand for it."""
    is_readable = not any(where == SOURCE[: len(where)] for where in broken)
    if is_readable and layers.values["trainer"]["data"].get("source") is None:
        yield Finding(SOURCE, f"is missing; {allowed(get_args(SourceName))}")
    name_at = at("experiment.name")
    is_named = any(where == name_at[: len(where)] for where in broken) or layers.values["experiment"]["name"]
    if not is_named and TEXTS["search"].refuse(layers.path.stem):
        yield Finding(name_at, f"is empty, and the file's name {layers.path.stem!r} cannot stand for it; say one")


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


def _spec(layers: _Layers, broken: Sequence[Where], parameters: Sequence[Parameter]) -> Spec:
    """The spec of the values. A default replaces what is broken in them, so that the rest can be checked."""
    values = layers.values
    for where in broken:
        if where[:2] != PARAMETERS or len(where) == 2:
            values = _without(values, layers.defaults, where)
    experiment = {key: value for key, value in values["experiment"].items() if key != "enabled"}
    trainer = dict(values["trainer"])
    experiment |= {"name": experiment["name"] or layers.path.stem, "parameters": parameters}
    for chooser in ("algorithm", "earlyStopping"):
        if "algorithmSettings" in experiment.get(chooser, {}):
            settings = [_as_text(setting) for setting in experiment[chooser]["algorithmSettings"]]
            experiment[chooser] = experiment[chooser] | {"algorithmSettings": settings}
    data = dict(trainer["data"])
    if SOURCE in broken:
        data["source"] = "sklearn"
    cluster_only = ("resources", "image", "pod", "modules")
    trainer = {key: value for key, value in trainer.items() if key not in cluster_only} | {"data": data}
    return Spec.model_validate({"experiment": experiment, "trainer": trainer})


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
