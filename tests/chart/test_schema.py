"""The chart's values as a contract: strict, documented, and the same as the store's spec, both ways."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from atelier_cli.profile.merging import merge, with_value
from atelier_cli.profile.schema import Validator
from atelier_cli.profile.texts import TEXTS
from atelier_store.spec import (
    Algorithm,
    Budget,
    Data,
    DataFile,
    EarlyStopping,
    Experience,
    Experiment,
    FeasibleSpace,
    Finish,
    Objective,
    OtherObjective,
    Parameter,
    PictureShape,
    Setting,
    Shortlist,
    SpecModel,
    Split,
    StopWhen,
    TableFormat,
    Trainer,
)
from jsonschema import Draft7Validator
from pydantic_core import PydanticUndefined

from tests.support import ROOT
from tools import chart_facts

CHART = ROOT / "charts" / "katib-nas-atelier"
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())
PROFILES = sorted((ROOT / "values").glob("*.yaml"))

# what values hold beside the spec: they matter on a cluster only
CLUSTER_ONLY: dict[type[SpecModel], set[str]] = {
    Experiment: {"enabled"},
    Trainer: {"resources", "image", "pod", "modules"},
}
MODELS: dict[type[SpecModel], tuple[str, ...]] = {
    Experiment: ("properties", "experiment"),
    Objective: ("properties", "experiment", "properties", "objective"),
    Algorithm: ("properties", "experiment", "properties", "algorithm"),
    EarlyStopping: ("properties", "experiment", "properties", "earlyStopping"),
    Trainer: ("properties", "trainer"),
    Data: ("properties", "trainer", "properties", "data"),
    Budget: ("properties", "trainer", "properties", "budget"),
    Setting: ("definitions", "setting"),
    Parameter: ("definitions", "parameter"),
    FeasibleSpace: ("definitions", "parameter", "properties", "feasibleSpace"),
    DataFile: ("definitions", "file"),
    OtherObjective: ("definitions", "otherObjective"),
    Shortlist: ("properties", "experiment", "properties", "shortlist"),
    Experience: ("properties", "experiment", "properties", "experience"),
    StopWhen: ("properties", "experiment", "properties", "stopWhen"),
    Finish: ("properties", "trainer", "properties", "finish"),
    PictureShape: ("properties", "trainer", "properties", "data", "properties", "image"),
    TableFormat: ("properties", "trainer", "properties", "data", "properties", "table"),
    Split: ("properties", "trainer", "properties", "data", "properties", "split"),
}
BLOCKS = {
    Experiment: ("experiment",),
    Objective: ("experiment", "objective"),
    Algorithm: ("experiment", "algorithm"),
    EarlyStopping: ("experiment", "earlyStopping"),
    Trainer: ("trainer",),
    Data: ("trainer", "data"),
    Budget: ("trainer", "budget"),
    Experience: ("experiment", "experience"),
    StopWhen: ("experiment", "stopWhen"),
    Finish: ("trainer", "finish"),
}


def errors(values: dict[str, Any]) -> list[str]:
    return [f"{'/'.join(map(str, e.absolute_path))}: {e.message}" for e in Validator(SCHEMA).iter_errors(values)]


def down(tree: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        tree = tree[step]
    return tree


def objects(schema: Any, path: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Every part of the schema that describes a mapping."""
    found = [(path, schema)] if isinstance(schema, dict) and "object" in str(schema.get("type")) else []
    inner = schema.items() if isinstance(schema, dict) else enumerate(schema) if isinstance(schema, list) else ()
    return found + [one for key, value in inner for one in objects(value, f"{path}/{key}")]


def test_schema_is_sound_draft_07() -> None:
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    Draft7Validator.check_schema(SCHEMA)


def test_defaults_are_accepted() -> None:
    assert errors(DEFAULTS) == []


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_profiles_are_accepted(profile: Path) -> None:
    assert errors(merge(DEFAULTS, yaml.safe_load(profile.read_text()))) == []


def test_the_two_profiles_are_there() -> None:
    assert {"quickstart", "fashion-mnist"} <= {path.stem for path in PROFILES}


def test_an_umbrella_chart_may_hand_down_global_and_enabled() -> None:
    assert errors(DEFAULTS | {"enabled": True, "global": {"anything": {"at": "all"}}}) == []


def test_every_mapping_is_closed_but_the_free_ones() -> None:
    free = {path for path, schema in objects(SCHEMA) if schema.get("additionalProperties") is not False}
    ours = {
        "/properties/global",
        "/definitions/quantities",
        "/definitions/texts",
        "/definitions/file/properties/headersFrom",
        "/properties/trainer/properties/data/properties/columns",
        "/properties/trainer/properties/data/properties/files",
        "/properties/trainer/properties/classWeights",
        "/properties/trainer/properties/metrics",
        "/properties/trainer/properties/modules",
    }
    ours |= {"/definitions/labels", "/definitions/hard"}
    checked_by_kubernetes = re.compile(r"/definitions/(affinity|shape|(variable|volume|spread|peer)/.*)")
    assert {path for path in free if not checked_by_kubernetes.fullmatch(path)} == ours


def blocks(values: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    inner = values.items() if isinstance(values, dict) else ()
    return [path] * isinstance(values, dict) + [one for key, value in inner for one in blocks(value, (*path, key))]


@pytest.mark.parametrize(
    "block", [b for b in blocks(DEFAULTS) if b != ("global",) and b[-1:] != ("affinity",)], ids=".".join
)
def test_unknown_keys_are_refused_in_every_block(block: tuple[str, ...]) -> None:
    unknown = (*block, "no such key")
    places = ("/".join(block) + ": ", "/".join(unknown) + ": ")  # of a free map the value is refused
    assert any(error.startswith(places) for error in errors(with_value(DEFAULTS, unknown, [])))


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("experiment.parameters", [{"name": "lr", "parameterType": "double", "feasibleSpace": {}, "unknown": 1}]),
        ("experiment.parameters", [{"name": "lr", "parameterType": "double", "feasibleSpace": {"mim": 1}}]),
        ("experiment.algorithm.algorithmSettings", [{"name": "eta", "value": 1, "unknown": 1}]),
        ("trainer.data.files", {"train": {"path": "x.npz", "unknown": 1}}),
        ("experiment.maxTrialCount", 0),
        ("experiment.parallelTrialCount", "all"),
        ("experiment.parallelTrialCount", 0),
        ("experiment.maxFailedTrialCount", -1),
        ("trainer.data.validationFraction", 1),
        ("trainer.seed", 2**31),
        ("trainer.network", "module"),
        ("experiment.name", "Upper"),
        ("experiment.name", "a" * 32),
    ],
)
def test_wrong_values_are_refused(where: str, value: Any) -> None:
    assert errors(with_value(DEFAULTS, tuple(where.split(".")), value))


@pytest.mark.parametrize("value", [1, 0.001, "0.001", "1e-3", "-4"])
def test_a_feasible_number_may_be_a_number_or_text(value: Any) -> None:
    parameter = {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": value, "max": value}}
    assert errors(with_value(DEFAULTS, ("experiment", "parameters"), [parameter])) == []


def test_every_schema_part_is_described() -> None:
    def undescribed(schema: dict[str, Any], path: str) -> list[str]:
        inner = {f"{path}.{k}": v for k, v in schema.get("properties", {}).items()}
        here = [] if "description" in schema or "$ref" in schema else [path]
        return here + [one for name, part in inner.items() for one in undescribed(part, name)]

    assert undescribed(SCHEMA, "values") == []
    assert [one for name, part in SCHEMA["definitions"].items() for one in undescribed(part, name)] == []


# drift


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_spec_and_schema_have_the_same_keys(model: type[SpecModel]) -> None:
    fields = {field.alias for field in model.model_fields.values()}
    assert set(down(SCHEMA, MODELS[model])["properties"]) == fields | CLUSTER_ONLY.get(model, set())


OF_AN_ENGINE = {"Algorithm.algorithmName": "auto", "Experiment.shortlist": "auto"}
"""Values by which each engine gets its own, so that the spec never has them."""


@pytest.mark.parametrize("model", BLOCKS, ids=lambda model: model.__name__)
def test_spec_and_defaults_have_the_same_keys_and_defaults(model: type[SpecModel]) -> None:
    block = down(DEFAULTS, BLOCKS[model])
    assert set(block) == {field.alias for field in model.model_fields.values()} | CLUSTER_ONLY.get(model, set())
    for field in model.model_fields.values():
        default = field.get_default(call_default_factory=True)
        name = f"{model.__name__}.{field.alias}"
        if name in OF_AN_ENGINE:
            assert block[field.alias] == OF_AN_ENGINE[name]
        elif default is not PydanticUndefined and not isinstance(default, SpecModel):
            assert block[field.alias] == (list(default) if isinstance(default, tuple) else default), field.alias


def test_defaults_say_every_key_of_the_schema() -> None:
    def missing(schema: dict[str, Any], values: Any, path: str) -> list[str]:
        if "$ref" in schema:
            schema = SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]]
        found = []
        for key, part in schema.get("properties", {}).items():
            if key not in values:
                found.append(f"{path}.{key}")
            elif isinstance(values[key], dict) and values[key]:
                found += missing(part, values[key], f"{path}.{key}")
        return found

    assert missing(SCHEMA, DEFAULTS, "values") == ["values.enabled"]


def test_enumerations_are_those_of_the_spec() -> None:
    for model, path in MODELS.items():
        published = model.model_json_schema(by_alias=True)
        for key, part in down(SCHEMA, path)["properties"].items():
            one_word = [part.get("pattern", "").strip("^$")]
            words = TEXTS[part["x-text"]].words.split(", ") if "x-text" in part else one_word
            ours, theirs = part.get("enum", words), published["properties"].get(key, {})
            options = [theirs, *theirs.get("anyOf", [])]
            enumerated = [
                value
                for option in options
                for value in option.get("enum", [option["const"]] if "const" in option else [])
            ]
            name = f"{model.__name__}.{key}"
            if enumerated and key != "parallelTrialCount":
                assert set(enumerated) <= set(ours), name
                assert "enum" not in part or set(ours) - {None, OF_AN_ENGINE.get(name)} == set(enumerated), name


def bounds(part: dict[str, Any]) -> dict[str, float]:
    """The bounds of a number, those of whole ones as the least and the most allowed."""
    found: dict[str, float] = {}
    for option in [part, *part.get("anyOf", [])]:
        types = option.get("type", part.get("type", ()))
        step = 1 if "integer" in types and "number" not in types else 0
        for key, name, by in (
            ("minimum", "least", 0),
            ("exclusiveMinimum", "least" if step else "above", step),
            ("maximum", "most", 0),
            ("exclusiveMaximum", "most" if step else "below", -step),
        ):
            if key in option:
                found[name] = option[key] + by
    return found


def test_bounds_of_numbers_are_those_of_the_spec() -> None:
    """A trial reads the spec alone, and the schema lets nothing through that it would refuse."""
    compared = 0
    for model, path in MODELS.items():
        published = model.model_json_schema(by_alias=True)["properties"]
        for key, part in down(SCHEMA, path)["properties"].items():
            of_spec = bounds(published.get(key, {}))
            assert of_spec.items() <= bounds(part).items(), f"{model.__name__}.{key}"
            compared += len(of_spec)
    assert compared


def test_every_key_of_the_defaults_has_a_comment_above_it() -> None:
    lines = (CHART / "values.yaml").read_text().splitlines()

    def keys(node: yaml.Node) -> list[yaml.Node]:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        return [key for pair in pairs for key in (pair[0], *keys(pair[1]))]

    root = yaml.compose("\n".join(lines), yaml.SafeLoader)
    assert root
    bare = [key.value for key in keys(root) if not lines[key.start_mark.line - 1].strip().startswith("#")]
    assert bare == []


def test_alerts_that_can_be_left_out_are_the_alerts_there_are() -> None:
    rule = SCHEMA["properties"]["monitoring"]["properties"]["prometheusRule"]["properties"]
    named = re.findall(r"(?m)^- alert: (\w+)$", (CHART / "files" / "alerts.yaml").read_text())
    assert named and sorted(rule["disabledAlerts"]["items"]["enum"]) == sorted(named)


def test_generated_files_are_those_of_the_code() -> None:
    schema = (CHART / "values.schema.json").read_text()
    assert (CHART / "files" / "facts.json").read_text() == chart_facts.text(chart_facts.facts()) + "\n", (
        "make chart-docs"
    )
    assert schema == chart_facts.text(chart_facts.conditioned(json.loads(schema))) + "\n", "make chart-docs"
