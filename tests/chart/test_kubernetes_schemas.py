"""Kubernetes, Katib and the operators accept every object of every profile; the schemas reject wrong ones."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.chart.rendering import HELMS, PROFILES, render, rendered
from tests.chart.schemas import CUSTOM, RELEASES, violations

PARAMETER = {
    "name": "lr",
    "parameterType": "double",
    "feasibleSpace": {"min": "0.1", "max": "1e-3", "distribution": "uniform"},
}
CHOICE = {
    "name": "op",
    "parameterType": "categorical",
    "feasibleSpace": {"list": ["conv3", "res3"], "distribution": "uniform"},
}
CONTAINER = {
    "name": "trial",
    "image": "trainer:1",
    "args": ["${trialParameters.lr}"],
    "resources": {"limits": {"cpu": 1, "memory": "1Gi"}},
}
EXAMPLES: dict[str, dict[str, Any]] = {
    "Experiment": {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": "a" * 40, "labels": {"atelier/release": "a"}},
        "spec": {
            "objective": {
                "type": "maximize",
                "goal": 0.99,
                "objectiveMetricName": "val_accuracy",
                "metricStrategies": [{"name": "val_accuracy", "value": "latest"}],
            },
            "algorithm": {"algorithmName": "tpe", "algorithmSettings": [{"name": "random_state", "value": "1"}]},
            "parameters": [PARAMETER, CHOICE],
            "parallelTrialCount": 1,
            "maxTrialCount": 2,
            "maxFailedTrialCount": 0,
            "resumePolicy": "Never",
            "metricsCollectorSpec": {
                "collector": {"kind": "StdOut"},
                "source": {"filter": {"metricsFormat": [r"([\w]+)=([-+.\w]+)"]}},
            },
            "trialTemplate": {
                "primaryContainerName": "trial",
                "successCondition": "Complete",
                "failureCondition": "Failed",
                "trialParameters": [{"name": "lr", "reference": "lr"}],
                "trialSpec": {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [CONTAINER]}}},
                },
            },
        },
    },
    "ServiceMonitor": {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": {"name": "a"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "endpoints": [{"port": "metrics", "interval": "30s"}]},
    },
    "PrometheusRule": {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "a"},
        "spec": {
            "groups": [
                {
                    "name": "a",
                    "rules": [{"alert": "Down", "expr": "up == 0", "for": "5m", "labels": {"severity": "page"}}],
                }
            ]
        },
    },
    "HTTPRoute": {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "a"},
        "spec": {
            "parentRefs": [{"name": "gateway"}],
            "hostnames": ["a.example.org"],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                    "backendRefs": [{"name": "a", "port": 80}],
                }
            ],
        },
    },
    "Service": {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "a"},
        "spec": {
            "selector": {"a": "b"},
            "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
        },
    },
}
DELETED = object()


def changed(kind: str, where: str, value: Any) -> dict[str, Any]:
    """An example with another value at a path such as spec.parameters.0.name."""
    made = deepcopy(EXAMPLES[kind])
    part: Any = made
    *path, last = (int(step) if step.isdigit() else step for step in where.split("."))
    for step in path:
        part = part[step]
    if value is DELETED:
        del part[last]
    else:
        part[last] = value
    return made


# the chart


@pytest.mark.process
@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_every_object_of_a_profile_is_accepted(profile: Path) -> None:
    objects = render(profile)
    assert objects
    assert [error for one in objects for error in violations(one)] == []


@pytest.mark.process
@pytest.mark.parametrize("release", ["a" * 53, "y", "on", "null", "a1234567"])
def test_any_release_name_gives_objects_that_are_accepted(release: str) -> None:
    everything = next(profile for profile in PROFILES if profile.stem == "everything")
    assert [error for one in render(everything, release=release) for error in violations(one)] == []


@pytest.mark.process
@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_both_helm_versions_render_the_same_objects(profile: Path) -> None:
    fourth, third = (sorted(render(profile, helm=helm), key=identity) for helm in HELMS)
    assert [identity(one) for one in fourth] == [identity(one) for one in third]
    assert fourth == third


@pytest.mark.process
@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("profile", [one for one in PROFILES if one.stem in ("quickstart", "everything")])
def test_a_profile_rendered_again_is_the_same_to_the_byte(profile: Path, helm: str) -> None:
    assert rendered(profile, helm=helm, is_cached=False) == rendered(profile, helm=helm, is_cached=False)


@pytest.mark.process
@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_no_object_is_there_twice(profile: Path) -> None:
    names = [identity(one) for one in render(profile)]
    assert len(names) == len({*names})


def identity(one: dict[str, Any]) -> tuple[str, str]:
    return one["kind"], one["metadata"]["name"]


# the schemas


@pytest.mark.parametrize("kind", EXAMPLES)
def test_right_objects_are_accepted(kind: str) -> None:
    assert violations(EXAMPLES[kind]) == []


def test_every_custom_kind_has_an_example() -> None:
    assert {kind for _, kind in CUSTOM} == {kind for kind, one in EXAMPLES.items() if "." in one["apiVersion"]}


@pytest.mark.parametrize(
    ("kind", "where", "value", "place"),
    [
        # what a typing error makes of a key
        ("Experiment", "spec.maxTrialCounts", 3, "/spec"),
        ("Experiment", "spec.objective.objectiveMetric", "a", "/spec/objective"),
        ("Experiment", "spec.parameters.0.feasibleSpace.mim", "1", "/spec/parameters/0/feasibleSpace"),
        ("Experiment", "spec.trialTemplate.trialParameter", [], "/spec/trialTemplate"),
        ("Experiment", "spec.trialTemplate.trialSpec.spec.backofLimit", 0, "trialSpec: Job/None: /spec"),
        (
            "Experiment",
            "spec.trialTemplate.trialSpec.spec.template.spec.containers.0.arg",
            [],
            "trialSpec: Job/None: /spec/template/spec/containers/0",
        ),
        ("ServiceMonitor", "spec.endpoints.0.intervall", "30s", "/spec/endpoints/0"),
        ("PrometheusRule", "spec.groups.0.rules.0.annotation", {}, "/spec/groups/0/rules/0"),
        ("HTTPRoute", "spec.rules.0.backendRef", [], "/spec/rules/0"),
        ("Service", "spec.ports.0.nodeport", 1, "/spec/ports/0"),
        # a number where text is wanted, and the other way round
        ("Experiment", "spec.parameters.0.feasibleSpace.min", 0.1, "/spec/parameters/0/feasibleSpace/min"),
        ("Experiment", "spec.parameters.0.feasibleSpace.min", "low", "/spec/parameters/0/feasibleSpace/min"),
        ("Experiment", "spec.parameters.0.feasibleSpace.max", "NaN", "/spec/parameters/0/feasibleSpace/max"),
        ("Experiment", "spec.parameters.1.feasibleSpace.list.0", 3, "/spec/parameters/1/feasibleSpace/list/0"),
        ("Experiment", "spec.algorithm.algorithmSettings.0.value", 1, "/spec/algorithm/algorithmSettings/0/value"),
        ("Experiment", "spec.maxTrialCount", "3", "/spec/maxTrialCount"),
        ("Experiment", "spec.objective.goal", "0.99", "/spec/objective/goal"),
        ("Experiment", "metadata.labels.atelier/release", 123, "/metadata/labels/atelier/release"),
        ("PrometheusRule", "spec.groups.0.rules.0.labels.severity", 1, "/spec/groups/0/rules/0/labels/severity"),
        ("ServiceMonitor", "spec.endpoints.0.interval", 30, "/spec/endpoints/0/interval"),
        ("HTTPRoute", "spec.rules.0.backendRefs.0.port", "80", "/spec/rules/0/backendRefs/0/port"),
        ("Service", "spec.ports.0.port", "80", "/spec/ports/0/port"),
        # what Katib's webhook, an operator or Kubernetes would refuse
        ("Experiment", "metadata.name", "a" * 41, "/metadata/name"),
        ("Experiment", "metadata.name", "1a", "/metadata/name"),
        ("Experiment", "metadata.name", "a-", "/metadata/name"),
        ("Experiment", "spec.maxTrialCount", 0, "/spec/maxTrialCount"),
        ("Experiment", "spec.objective.type", "max", "/spec/objective/type"),
        ("Experiment", "spec.objective.metricStrategies.0.value", "last", "/spec/objective/metricStrategies/0/value"),
        ("Experiment", "spec.parameters.0.parameterType", "float", "/spec/parameters/0/parameterType"),
        (
            "Experiment",
            "spec.parameters.0.feasibleSpace.distribution",
            "loguniform",
            "/spec/parameters/0/feasibleSpace/distribution",
        ),
        ("Experiment", "spec.parameters.0.feasibleSpace.list", ["1"], "/spec/parameters/0/feasibleSpace/list"),
        ("Experiment", "spec.parameters.0.feasibleSpace.max", DELETED, "/spec/parameters/0/feasibleSpace"),
        ("Experiment", "spec.parameters.1.feasibleSpace.min", "1", "/spec/parameters/1/feasibleSpace/min"),
        ("Experiment", "spec.parameters.1.feasibleSpace.list", [], "/spec/parameters/1/feasibleSpace/list"),
        ("Experiment", "spec.parameters.1.name", "lr", "/spec/parameters"),
        ("Experiment", "spec.parameters", DELETED, "/spec"),
        (
            "Experiment",
            "spec.metricsCollectorSpec.collector.kind",
            "Stdout",
            "/spec/metricsCollectorSpec/collector/kind",
        ),
        (
            "Experiment",
            "spec.metricsCollectorSpec.source.filter.metricsFormat.0",
            r"([\w]+)=",
            "/filter/metricsFormat/0",
        ),
        ("Experiment", "spec.resumePolicy", "Always", "/spec/resumePolicy"),
        (
            "Experiment",
            "spec.trialTemplate.trialSpec.metadata",
            {"name": "a"},
            "/spec/trialTemplate/trialSpec/metadata/name",
        ),
        ("Experiment", "spec.trialTemplate.trialSpec.kind", "Jobs", "no schema for batch/v1 Jobs"),
        ("Experiment", "metadata.labels.atelier/release", "a" * 64, "/metadata/labels/atelier/release"),
        ("PrometheusRule", "spec.groups.0.rules.0.for", "5 minutes", "/spec/groups/0/rules/0/for"),
        ("HTTPRoute", "spec.rules.0.matches.0.path.type", "Prefix", "/spec/rules/0/matches/0/path/type"),
        ("Service", "metadata.name", "a" * 64, "/metadata/name"),
        ("Service", "spec.ports", 2 * EXAMPLES["Service"]["spec"]["ports"], "/spec/ports"),
        ("Service", "apiVersion", "v2", "no schema for v2 Service"),
        ("Service", "kind", "Services", "no schema for v1 Services"),
        ("Service", "spec.selector", None, "/spec/selector: null"),
        # what Katib's defaulter would add
        *[
            ("Experiment", f"spec.{key}", DELETED, "/spec")
            for key in ("resumePolicy", "parallelTrialCount", "metricsCollectorSpec")
        ],
        ("Experiment", "spec.objective.metricStrategies", DELETED, "/spec/objective"),
        ("Experiment", "spec.parameters.0.feasibleSpace.distribution", DELETED, "/spec/parameters/0/feasibleSpace"),
        ("Experiment", "spec.trialTemplate.successCondition", DELETED, "/spec/trialTemplate"),
    ],
)
def test_wrong_objects_are_refused_at_the_place(kind: str, where: str, value: Any, place: str) -> None:
    found = violations(changed(kind, where, value))
    assert found
    assert all(place in error for error in found), found


def test_all_that_is_wrong_is_said_at_once() -> None:
    wrong = changed("Experiment", "spec.trialTemplate.trialSpec.spec.typo", 1)
    wrong["spec"] |= {"resumePolicy": "Always", "typo": 1}
    assert len(violations(wrong)) == 2 + len(RELEASES)


def test_oldest_and_newest_kubernetes_are_asked() -> None:
    assert RELEASES[:2] == ("1.31", "1.34")
    assert tuple(map(int, RELEASES[-1].split("."))) >= (1, 37)
    assert len(violations(changed("Service", "spec.typo", 1))) == len(RELEASES)
