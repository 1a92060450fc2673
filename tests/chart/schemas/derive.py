"""Strict JSON schemas of the custom kinds that the chart renders, from the types their projects publish as Go modules.

Katib's CRD accepts anything, and the others' CRDs let unknown keys pass; here a key that is not in the type is refused.

    go mod download github.com/kubeflow/katib@v0.19.0 …      each module below
    python tests/chart/schemas/derive.py "$(go env GOMODCACHE)"
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

Schema = dict[str, Any]

KATIB = "github.com/kubeflow/katib@v0.19.0", "pkg/apis/v1beta1/swagger.json"
CRDS = {
    "HTTPRoute": ("sigs.k8s.io/gateway-api@v1.4.0", "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"),
    "PrometheusRule": (
        "github.com/prometheus-operator/prometheus-operator@v0.88.0",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
    ),
    "ServiceMonitor": (
        "github.com/prometheus-operator/prometheus-operator@v0.88.0",
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
    ),
}
KEPT = {
    *(
        "additionalProperties",
        "allOf",
        "anyOf",
        "enum",
        "items",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
    ),
    *(
        "minLength",
        "minProperties",
        "minimum",
        "not",
        "oneOf",
        "pattern",
        "properties",
        "required",
        "type",
        "uniqueItems",
    ),
    "x-kubernetes-list-map-keys",
}
"""What says which values are right; descriptions and defaults do not."""


def strict(schema: Any) -> Any:
    """A schema whose mappings are closed, unless their type is open on purpose."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: strict(value)
        for key, value in schema.items()
        if key in KEPT and key not in ("properties", "enum", "required")
    }
    kept |= {key: schema[key] for key in ("enum", "required") if key in schema}
    if "properties" in schema:
        kept["properties"] = {name: strict(part) for name, part in schema["properties"].items()}
    if "pattern" in kept:
        kept["pattern"] = re.sub(
            r"^\^\(\?i\)", "(?i)^", kept["pattern"]
        )  # Go takes a flag anywhere, Python in front only
    if schema.get("x-kubernetes-list-type") == "set":
        kept["uniqueItems"] = True
    if schema.get("type") == "object" and not schema.get("x-kubernetes-preserve-unknown-fields"):
        kept.setdefault("additionalProperties", False)
    return kept


def kind(source: tuple[str, str], api_version: str, name: str, spec: Schema, **definitions: Schema) -> Schema:
    """The schema of a whole object; what its metadata may hold is the same for every kind, and said elsewhere."""
    module, path = source
    return {
        "$comment": f"made by derive.py from {module}, {path}",
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "apiVersion": {"const": api_version},
            "kind": {"const": name},
            "metadata": {"type": "object"},
            "spec": spec,
        },
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": False,
    } | definitions


def custom_kind(modules: Path, name: str) -> Schema:
    """From a CustomResourceDefinition, in its newest served version."""
    module, path = CRDS[name]
    crd = yaml.safe_load((modules / module / path).read_text())["spec"]
    assert crd["names"]["kind"] == name
    version = next(one for one in crd["versions"] if one["storage"])
    return kind(
        CRDS[name],
        f"{crd['group']}/{version['name']}",
        name,
        strict(version["schema"]["openAPIV3Schema"]["properties"]["spec"]),
    )


# Katib says its enumerations and rules in Go only: common_types.go, experiment_types.go and the webhook's validator.go

NUMBER = r"^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$"
TEXT = {"type": "string", "minLength": 1}
ABSENT: Schema = {"not": {}}
SETTING = {"required": ["name", "value"]}


def space(types: tuple[str, ...], wanted: tuple[str, ...], absent: tuple[str, ...]) -> Schema:
    """What a feasible space says for a parameter of these types."""
    feasible = {"required": [*wanted], "properties": dict.fromkeys(absent, ABSENT)}
    return {
        "if": {"properties": {"parameterType": {"enum": [*types]}}},
        "then": {"properties": {"feasibleSpace": feasible}},
    }


RULES: dict[str, Schema] = {
    "AlgorithmSpec": {"required": ["algorithmName"]},
    "AlgorithmSetting": SETTING,
    "EarlyStoppingSpec": {"required": ["algorithmName"]},
    "EarlyStoppingSetting": SETTING,
    "CollectorSpec": {"required": ["kind"]},
    "MetricsCollectorSpec": {"required": ["collector"]},
    "MetricStrategy": {"required": ["name", "value"]},
    "ObjectiveSpec": {"required": ["type", "objectiveMetricName", "metricStrategies"]},
    "ParameterSpec": {
        "required": ["name", "parameterType", "feasibleSpace"],
        "allOf": [
            space(("int", "double"), ("min", "max"), ("list",)),
            space(("categorical", "discrete"), ("list",), ("min", "max", "step")),
        ],
    },
    "FeasibleSpace": {"required": ["distribution"]},
    "TrialParameterSpec": {"required": ["name", "reference"]},
    "ConfigMapSource": {"required": ["configMapName", "configMapNamespace", "templatePath"]},
    "TrialTemplate": {
        "required": ["primaryContainerName", "successCondition", "failureCondition", "trialParameters"],
        "oneOf": [{"required": ["trialSpec"]}, {"required": ["configMap"]}],
    },
    "ExperimentSpec": {
        "required": [
            *("objective", "algorithm", "trialTemplate", "metricsCollectorSpec", "resumePolicy"),
            *("parallelTrialCount", "maxTrialCount", "maxFailedTrialCount"),
        ],
        "oneOf": [{"required": ["parameters"]}, {"required": ["nasConfig"]}],
    },
}
VALUES: dict[tuple[str, str], Schema] = {
    ("AlgorithmSpec", "algorithmName"): TEXT,
    ("EarlyStoppingSpec", "algorithmName"): TEXT,
    ("CollectorSpec", "kind"): {"enum": ["StdOut", "File", "TensorFlowEvent", "PrometheusMetric", "Custom", "Push"]},
    ("ExperimentSpec", "resumePolicy"): {"enum": ["Never", "LongRunning", "FromVolume"]},
    ("ExperimentSpec", "parallelTrialCount"): {"type": "integer", "minimum": 1},
    ("ExperimentSpec", "maxTrialCount"): {"type": "integer", "minimum": 1},
    ("ExperimentSpec", "maxFailedTrialCount"): {"type": "integer", "minimum": 0},
    ("FeasibleSpace", "distribution"): {"enum": ["uniform", "logUniform", "normal", "logNormal", "unknown"]},
    ("FeasibleSpace", "list"): {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True},
    **{("FeasibleSpace", key): {"type": "string", "pattern": NUMBER} for key in ("min", "max", "step")},
    ("FileSystemPath", "format"): {"enum": ["TEXT", "JSON"]},
    ("FileSystemPath", "kind"): {"enum": ["Directory", "File"]},
    ("FileSystemPath", "path"): {"type": "string", "pattern": "^/"},
    ("FilterSpec", "metricsFormat"): {
        "type": "array",
        "items": {"type": "string", "pattern": r"\(.*\).*\(.*\)"},
        "minItems": 1,
    },
    ("MetricStrategy", "value"): {"enum": ["min", "max", "latest"]},
    ("ObjectiveSpec", "objectiveMetricName"): TEXT,
    ("ObjectiveSpec", "type"): {"enum": ["minimize", "maximize"]},
    ("ParameterSpec", "parameterType"): {"enum": ["double", "int", "discrete", "categorical"]},
    ("TrialParameterSpec", "name"): {"type": "string", "pattern": "^[^{}]+$"},
    ("TrialParameterSpec", "reference"): TEXT,
    ("TrialTemplate", "primaryContainerName"): TEXT,
    # whoever checks an Experiment checks this as what it is, a Job; Katib names it
    ("TrialTemplate", "trialSpec"): {
        "type": "object",
        "properties": {"metadata": {"properties": {"name": ABSENT, "namespace": ABSENT}}},
        "required": ["apiVersion", "kind", "spec"],
    },
    # Kubernetes' own types, which Katib does not publish; the chart has no use for such collectors
    ("CollectorSpec", "customCollector"): ABSENT,
    ("SourceSpec", "httpGet"): ABSENT,
}


def experiment(modules: Path) -> Schema:
    """Everything Katib's defaulter would add has to be there: what lives is then what was rendered."""
    module, path = KATIB
    published = json.loads((modules / module / path).read_text())["definitions"]
    definitions: dict[str, Schema] = {}
    waiting = ["ExperimentSpec"]
    while waiting:
        name = waiting.pop()
        if name in definitions:
            continue
        parts = published[f"v1beta1.{name}"]["properties"]
        own = {key: VALUES.get((name, key), katib_value(part)) for key, part in parts.items()}
        definitions[name] = {"type": "object", "properties": own, "additionalProperties": False} | RULES.get(name, {})
        waiting += [ref for part in own.values() for ref in references(part)]
    made = kind(
        KATIB,
        "kubeflow.org/v1beta1",
        "Experiment",
        {"$ref": "#/$defs/ExperimentSpec"},
        **{"$defs": dict(sorted(definitions.items()))},
    )
    made["properties"]["metadata"] = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 40, "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$"}},
    }
    return made


def katib_value(part: Schema) -> Schema:
    """A value's schema; references lead to the definitions beside it."""
    if "$ref" in part:
        return {"$ref": f"#/$defs/{part['$ref'].rpartition('.')[2]}"}
    made: Schema = strict({key: value for key, value in part.items() if key != "items"})
    return made | ({"items": katib_value(part["items"])} if "items" in part else {})


def references(part: Any) -> list[str]:
    """Names of the definitions that a value leads to."""
    if not isinstance(part, dict):
        return []
    here = [part["$ref"].rpartition("/")[2]] if "$ref" in part else []
    return here + references(part.get("items"))


def main(modules: Path) -> None:
    """Write one file a kind beside this one."""
    made = {"Experiment": experiment(modules)} | {name: custom_kind(modules, name) for name in CRDS}
    for name, schema in made.items():
        text = json.dumps(schema, separators=(",", ":"))
        (Path(__file__).parent / f"{name.lower()}.json").write_text(text + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
