"""What values.schema.json rejects, which both engines read, is named by both at the same place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from atelier_cli.profile import load

from tests.chart.rejections import LR, QUICKSTART, algorithm, names, one_machine, parameter, values
from tests.chart.rendering import CHART, HELMS, refused

pytestmark = pytest.mark.process

SCHEMA: dict[str, tuple[list[tuple[str, Any]], str]] = {
    "two sources of a variable": (
        [("server.pod.env", [{"name": "A", "value": "1", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}])],
        "server.pod.env[0].value",
    ),
    "no name of a mount": ([("server.pod.volumeMounts", [{"mountPath": "/a"}])], "server.pod.volumeMounts[0].name"),
    "no such source": ([("server.pod.volumes", [{"name": "a", "disk": {}}])], "server.pod.volumes[0].disk"),
    "no such effect": (
        [("trainer.pod.tolerations", [{"key": "a", "operator": "Exists", "effect": "NoRun"}])],
        "trainer.pod.tolerations[0].effect",
    ),
    "value of any": (
        [("trainer.pod.tolerations", [{"key": "a", "operator": "Exists", "value": "b"}])],
        "trainer.pod.tolerations[0].value",
    ),
    "no such affinity": ([("server.pod.affinity", {"nodes": {}})], "server.pod.affinity.nodes"),
    "no max": ([parameter("lr", "double", min=0.1)], "experiment.parameters[0].feasibleSpace.max"),
    "list of a range": (
        [parameter("lr", "double", min=0.1, max=1, list=[1])],
        "experiment.parameters[0].feasibleSpace.list",
    ),
    "range of a list": (
        [parameter("batch", "discrete", min=1, list=[32])],
        "experiment.parameters[0].feasibleSpace.min",
    ),
    "a policy that is none of ours": ([("promotion.policy", "better")], "promotion.policy"),
    "a version that yaml reads as a number": ([("promotion.version", 123456789012)], "promotion.version"),
    "no list": ([parameter("batch", "discrete")], "experiment.parameters[0].feasibleSpace.list"),
    "int with a fraction": (
        [parameter("batch", "int", min=2.5, max=8)],
        "experiment.parameters[0].feasibleSpace.min",
    ),
    "grid without step": (
        algorithm("grid", LR),
        "experiment.parameters[0].feasibleSpace.step",
    ),
    "normal with multivariate-tpe": (
        [parameter("lr", "double", min=0.1, max=1, distribution="normal")],
        "experiment.parameters[0].feasibleSpace.distribution",
    ),
    "unknown setting": (
        algorithm("random", gamma=1),
        "experiment.algorithm.algorithmSettings[0].name",
    ),
    "metric of another task": (
        [("experiment.objective.objectiveMetricName", "val_rmse")],
        "experiment.objective.objectiveMetricName",
    ),
    "class weights of targets": (
        [("trainer.data", {"task": "regression", "name": "diabetes"}), ("trainer.classWeights", "balanced")],
        "trainer.classWeights",
    ),
    "several classes to predict": (
        [
            (
                "trainer.data",
                {"source": "csv", "name": None, "target": ["a", "b"], "files": {"train": {"path": "/a.csv"}}},
            )
        ],
        "trainer.data.target",
    ),
    "a threshold of targets": (
        [("trainer.data", {"task": "regression", "name": "diabetes"}), ("trainer.threshold", 0.3)],
        "trainer.threshold",
    ),
    "a threshold that is no share": ([("trainer.threshold", 1.5)], "trainer.threshold"),
    "an average of folds": ([("trainer.data.folds", 5), ("trainer.finish.average", 3)], "trainer.finish.average"),
    "weights of the first epoch": ([("trainer.keepWeights", "first")], "trainer.keepWeights"),
    "folds are retrained": (
        [("trainer.data.folds", 5), ("trainer.finish.retrain", "always")],
        "trainer.finish.retrain",
    ),
    "mirror images of folds": ([("trainer.data.folds", 5), ("trainer.finish.mirror", True)], "trainer.finish.mirror"),
    "int8 of folds": ([("trainer.data.folds", 5), ("trainer.finish.int8", 0.01)], "trainer.finish.int8"),
    "int8 of what is retrained": (
        [("trainer.finish.retrain", "always"), ("trainer.finish.int8", 0.01)],
        "trainer.finish.int8",
    ),
    "int8 that is better": ([("trainer.finish.int8", -0.01)], "trainer.finish.int8"),
    "an average of one": ([("trainer.finish.average", 1)], "trainer.finish.average"),
    "a metric that there is": ([("trainer.metrics", {"accuracy": "prices:cost"})], "trainer.metrics.accuracy"),
    "a class that weighs nothing": ([("trainer.classWeights", {"1": 0})], "trainer.classWeights.1"),
    "weights of another loss": (
        [
            ("trainer.data", {"source": "npz", "name": None, "weight": "w", "files": {"train": {"path": "/a.npz"}}}),
            ("trainer.loss", "losses:focal"),
        ],
        "trainer.data.weight",
    ),
    "weights of what has none": ([("trainer.data.weight", "w")], "trainer.data.weight"),
    "class weights of another loss": (
        [("trainer.loss", "losses:focal"), ("trainer.classWeights", "balanced")],
        "trainer.classWeights",
    ),
    "a function with a target": (
        [("trainer.data", {"source": "mydata:load", "name": None, "target": "rent"})],
        "trainer.data.target",
    ),
    "a column that is no kind": (
        [
            (
                "trainer.data",
                {
                    "source": "csv",
                    "name": None,
                    "target": "a",
                    "files": {"train": {"path": "/a.csv"}},
                    "columns": {"b": "drop"},
                },
            )
        ],
        "trainer.data.columns",
    ),
    "classes of targets": (
        [("trainer.data", {"task": "regression", "name": "diabetes", "split": {"by": "stratified"}})],
        "trainer.data.split.by",
    ),
    "groups of no table": ([("trainer.data.split", {"by": "group", "column": "a"})], "trainer.data.split.by"),
    "a group without its column": (
        [
            ("trainer.data", {"source": "table", "name": None, "target": "a", "files": {"train": {"path": "/a.csv"}}}),
            ("trainer.data.split", {"by": "group"}),
        ],
        "trainer.data.split.column",
    ),
    "a share beside a validation file": (
        [
            (
                "trainer.data",
                {"source": "npz", "name": None, "files": {"train": {"path": "/a"}, "validation": {"path": "/b"}}},
            ),
            ("trainer.data.validationFraction", 0.1),
        ],
        "trainer.data.validationFraction",
    ),
    "a split of files that are parted already": (
        [
            (
                "trainer.data",
                {
                    "source": "npz",
                    "name": None,
                    "files": {role: {"path": f"/{role}"} for role in ("train", "validation", "test")},
                },
            ),
            ("trainer.data.split", {"by": "random"}),
        ],
        "trainer.data.split",
    ),
    "a share beside folds": (
        [("trainer.data.folds", 5), ("trainer.data.validationFraction", 0.1)],
        "trainer.data.validationFraction",
    ),
    "folds of a validation file": (
        [
            (
                "trainer.data",
                {
                    "source": "npz",
                    "name": None,
                    "folds": 5,
                    "files": {"train": {"path": "/a"}, "validation": {"path": "/b"}},
                },
            )
        ],
        "trainer.data.folds",
    ),
    "half a validation set": (
        [
            (
                "trainer.data",
                {
                    "source": "idx",
                    "name": None,
                    "files": {role: {"path": "/a"} for role in ("trainImages", "trainLabels", "validationImages")},
                },
            )
        ],
        "trainer.data.files.validationLabels",
    ),
    "labels of no pictures": (
        [
            (
                "trainer.data",
                {
                    "source": "images",
                    "name": None,
                    "files": {role: {"path": "/a"} for role in ("train", "validationLabels")},
                },
            )
        ],
        "trainer.data.files.validation",
    ),
    "looking for the worst": (
        [("experiment.objective.type", "minimize")],
        "experiment.objective.type",
    ),
    "unknown bundled set": ([("trainer.data.name", "cifar")], "trainer.data.name"),
    "csv without target": (
        [
            (
                "trainer.data",
                {"source": "csv", "name": None, "kind": "auto", "files": {"train": {"path": "/store/a.csv"}}},
            )
        ],
        "trainer.data.target",
    ),
    "labels of numbers": (
        [("trainer.data", {"name": "diabetes", "task": "regression", "labels": ["a", "b"]})],
        "trainer.data.labels",
    ),
    "missing file": ([("trainer.data", {"source": "npz", "name": None, "files": {}})], "trainer.data.files.train"),
    "unknown file": (
        [
            (
                "trainer.data",
                {"source": "npz", "name": None, "files": {"train": {"path": "/a"}, "valid": {"path": "/b"}}},
            )
        ],
        "trainer.data.files.valid",
    ),
    "url without sha256": (
        [("trainer.data", {"source": "npz", "name": None, "files": {"train": {"url": "https://example.com/a.npz"}}})],
        "trainer.data.files.train.sha256",
    ),
    "node port of a ClusterIP": ([("server.service.nodePort", 30000)], "server.service.nodePort"),
    "ingress to nowhere": ([("server.ingress.enabled", True)], "server.ingress.hosts"),
    "route without gateway": ([("server.httpRoute.enabled", True)], "server.httpRoute.parentRefs"),
    "autoscaling against nothing": (
        [("server.autoscaling.enabled", True), ("server.resources.requests.cpu", None)],
        "server.resources.requests.cpu",
    ),
    "quota of nothing": ([("quota.enabled", True)], "quota.hard"),
    "an unknown metric beside": (
        [("experiment.objective.additionalMetricNames", ["val_r2"])],
        "experiment.objective.additionalMetricNames[0]",
    ),
    "setting of an algorithm without any": (
        algorithm("sobol", random_state=1),
        "experiment.algorithm.algorithmSettings",
    ),
    "setting of another rule": (
        [
            (
                "experiment.earlyStopping",
                {"algorithmName": "halving", "algorithmSettings": [{"name": "start_step", "value": 1}]},
            )
        ],
        "experiment.earlyStopping.algorithmSettings[0].name",
    ),
    "name of no bundled set": (
        [("trainer.data", {"source": "npz", "files": {"train": {"path": "/a"}}})],
        "trainer.data.name",
    ),
    "column of no table": ([("trainer.data.target", "label")], "trainer.data.target"),
    "file of a bundled set": ([("trainer.data.files", {"train": {"path": "/a"}})], "trainer.data.files.train"),
    "pictures without their labels": (
        [("trainer.data", {"source": "idx", "name": None, "files": {"trainImages": {"path": "/a"}}})],
        "trainer.data.files.trainLabels",
    ),
    "test pictures without their labels": (
        [
            (
                "trainer.data",
                {
                    "source": "idx",
                    "name": None,
                    "files": {role: {"path": "/a"} for role in ("trainImages", "trainLabels", "testImages")},
                },
            )
        ],
        "trainer.data.files.testLabels",
    ),
    "file of two places": (
        [
            (
                "trainer.data",
                {
                    "source": "npz",
                    "name": None,
                    "files": {"train": {"path": "/a", "url": "https://example.com/a.npz", "sha256": "0" * 64}},
                },
            )
        ],
        "trainer.data.files.train.path",
    ),
    "file of no place": (
        [("trainer.data", {"source": "npz", "name": None, "files": {"train": {}}})],
        "trainer.data.files.train.path",
    ),
}
"""Rejected by values.schema.json, which both engines read, and the place that both name."""


@pytest.mark.parametrize("case", SCHEMA)
def test_what_the_schema_rejects_is_named_by_both_engines(case: str, tmp_path: Path) -> None:
    changes, place = SCHEMA[case]
    error = refused(QUICKSTART, values=values(*changes))
    assert names(error, place), error
    violations = one_machine(changes, tmp_path)
    assert any(f": {place}: " in line for line in violations), violations


def test_what_a_function_of_ones_own_calls_validation_is_nothing_to_us(tmp_path: Path) -> None:
    files = {role: {"path": f"{role}.txt"} for role in ("validation", "test")}
    data = {"source": "flats:load", "files": files, "folds": 5, "split": {"by": "random"}}
    profile = {"experiment": {"name": "flats", "parameters": [LR]}, "trainer": {"data": data}}
    (tmp_path / "flats.yaml").write_text(yaml.safe_dump(profile))
    assert load(tmp_path / "flats.yaml").spec.trainer.data.folds == 5


@pytest.mark.parametrize("helm", HELMS)
def test_everything_that_the_schema_rejects_is_named_at_once(helm: str) -> None:
    cases = ["no max", "ingress to nowhere", "quota of nothing", "unknown setting", "unknown bundled set"]
    error = refused(QUICKSTART, helm=helm, values=values(*[change for case in cases for change in SCHEMA[case][0]]))
    assert [case for case in cases if not names(error, SCHEMA[case][1])] == []


def test_algorithms_that_our_trials_do_not_fit_are_rejected_by_the_schema() -> None:
    """hyperband restarts every rung and stalls at the first failed trial; halving is ours for the same purpose."""
    known = json.loads((CHART / "values.schema.json").read_text())["properties"]["experiment"]["properties"][
        "algorithm"
    ]
    assert not {"hyperband", "pbt", "enas", "darts"} & {*known["properties"]["algorithmName"]["enum"]}
    error = refused(QUICKSTART, values=values(("experiment.algorithm.algorithmName", "hyperband")))
    assert "algorithmName" in error
    assert "multivariate-tpe" in error
