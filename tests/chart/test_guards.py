"""Every profile that would fail later is rejected at once, with everything that is wrong with it in one message.

`helm lint` ignores fail, so each check of the templates is tested by `helm template`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from atelier_cli.profile import InvalidProfile, load
from atelier_cli.profile.merging import with_value

from tests.chart.rendering import API_VERSIONS, CHART, HELMS, refused, render
from tests.chart.schemas import violations
from tests.support import ROOT
from tools import chart_facts

pytestmark = pytest.mark.process

QUICKSTART = ROOT / "values" / "quickstart.yaml"
LR = {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": 0.001, "max": 0.1}}
DEPTH = {"name": "stage1_depth", "parameterType": "int", "feasibleSpace": {"min": 1, "max": 2}}
SPREAD = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
WIDTH = {"name": "stage1_width", "parameterType": "discrete", "feasibleSpace": {"list": [16, 32]}}


def values(*changes: tuple[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for where, value in changes:
        made = with_value(made, tuple(where.split(".")), value)
    return made


def parameter(name: str, kind: str, **space: Any) -> tuple[str, Any]:
    return "experiment.parameters", [{"name": name, "parameterType": kind, "feasibleSpace": space}]


def algorithm(name: str, *parameters: Any, **settings: Any) -> list[tuple[str, Any]]:
    asked = [{"name": key, "value": value} for key, value in settings.items()]
    chosen = ("experiment.algorithm", {"algorithmName": name, "algorithmSettings": asked})
    return [chosen, ("experiment.parameters", list(parameters))] if parameters else [chosen]


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


def requests(who: str, what: str, request: Any, limit: Any = None) -> list[tuple[str, Any]]:
    return [(f"{who}.resources", {"requests": {what: request}} | ({"limits": {what: limit}} if limit else {}))]


NVIDIA = "nvidia.com/gpu"
BOTH: dict[str, tuple[list[tuple[str, Any]], str]] = {
    "an objective that no metric is": (
        [
            ("trainer.metrics", {"cost": "json:dumps"}),
            ("experiment.objective.additionalMetricNames", ["val_price"]),
        ],
        'experiment.objective.additionalMetricNames[0]: "val_price" is not allowed; allowed: val_accuracy, '
        "val_balanced_accuracy, val_macro_f1, val_mcc, val_auc, val_average_precision, val_ece, val_loss, train_loss, "
        "val_cost",
    ),
    "no class weights": (
        [("trainer.classWeights", "auto")],
        'trainer.classWeights: "auto" is not allowed; allowed: none, balanced, or a weight for each label',
    ),
    "no rule of a threshold": (
        [("trainer.threshold", "recall>0.9")],
        'trainer.threshold: "recall>0.9" is not allowed; allowed: f1, balanced_accuracy, recall>=0.9, precision>=0.9, '
        "or a number above 0 and below 1",
    ),
    "a rule of one machine's searcher": (
        [("experiment.stopWhen", {"expectedGainBelow": 0.002})],
        "experiment.stopWhen.expectedGainBelow: 0.002 is for one machine only: Katib ends a search by its counts",
    ),
    "experience": (
        [("experiment.experience", {"enabled": True})],
        "experiment.experience.enabled: true is for one machine only: a cluster's searcher has no store to learn from",
    ),
    "several objectives": (
        [("experiment.objectives", [{"metric": "params"}]), ("experiment.tolerance", 0.01)],
        "experiment.objectives: is for one machine only: an Experiment of Katib has one objective",
    ),
    "a gain that is none": (
        [("experiment.stopWhen", {"expectedGainBelow": "0"})],
        "experiment.stopWhen.expectedGainBelow: 0 is not allowed; allowed: numbers above 0",
    ),
    "no name of a function": ([("trainer.loss", "focal")], 'trainer.loss: "focal" is not allowed'),
    "unknown source": (
        [("trainer.data", {"source": "parquet", "name": None})],
        'trainer.data.source: "parquet" is not allowed',
    ),
    "a version in few digits": (
        [("promotion.version", "1e23c7")],
        'promotion.version: "1e23c7" is not allowed; allowed: 12 hexadecimal digits, in quotes; or empty',
    ),
    "number in a variable": (
        [("trainer.pod.env", [{"name": "A", "value": 1}])],
        "trainer.pod.env[0].value: 1 is not allowed; allowed: text; put it into quotes",
    ),
    "truth as a label": (
        [("server.pod.nodeSelector", {"gpu": True})],
        "server.pod.nodeSelector.gpu: true is not allowed",
    ),
    "truth as a name": (
        [("experiment.parameters", [{"name": True, "parameterType": "int", "feasibleSpace": {"min": 1, "max": 2}}])],
        "experiment.parameters[0].name: true is not allowed; allowed: text; put it into quotes",
    ),
    "truth as a model": ([("server.model", False)], "server.model: false is not allowed; allowed: text"),
    "number as a search": ([("experiment.name", 1000)], "experiment.name: 1000 is not allowed; allowed: text"),
    "truth as a label of a class": (
        [("trainer.data.labels", ["a", False])],
        "trainer.data.labels[1]: false is not allowed; allowed: text",
    ),
    "memory above the limit": (
        requests("trainer", "memory", "3Gi"),
        "trainer.resources.requests.memory: 3Gi is more than limits.memory 2Gi",
    ),
    "cores above the limit": (requests("server", "cpu", "1500m", 1), "server.resources.requests.cpu: 1500m is more"),
    "bytes above the limit": (
        requests("extractor", "memory", "2e9"),
        "extractor.resources.requests.memory: 2e9 is more",
    ),
    "disk above the limit": (
        requests("trainer", "ephemeral-storage", 2, "1"),
        "trainer.resources.requests.ephemeral-storage: 2 is more",
    ),
    "extractor above a trial": (
        requests("extractor", "cpu", 3),
        "extractor.resources.requests.cpu: 3 is more than trainer.resources.limits.cpu 2",
    ),
    "device without a limit": (requests("trainer", NVIDIA, 1), "trainer.resources.limits.nvidia.com/gpu: is missing"),
    "half a device": ([("trainer.resources.limits", {NVIDIA: "0.5"})], "trainer.resources.limits.nvidia.com/gpu: 0.5"),
    "no resource": (
        [("trainer.resources.limits", {"gpu": 1})],
        'trainer.resources.limits.gpu: "gpu" is not allowed as',
    ),
    "mount of nothing": (
        [("trainer.pod.volumeMounts", [{"name": "data", "mountPath": "/data"}])],
        "trainer.pod.volumeMounts[0].name: data is no volume of this pod; allowed: store, tmp, spec",
    ),
    "volume of ours": (
        [("trainer.pod.volumes", [{"name": "tmp", "emptyDir": {}}])],
        "trainer.pod.volumes[0].name: tmp is the chart's own",
    ),
    "volume twice": (
        [("server.pod.volumes", [{"name": "a", "emptyDir": {}}, {"name": "a", "emptyDir": {}}])],
        "server.pod.volumes[1].name: a is there twice",
    ),
    "mount over the store": (
        [("server.pod.volumeMounts", [{"name": "tmp", "mountPath": "/store/"}])],
        "server.pod.volumeMounts[0].mountPath: /store is the chart's own",
    ),
    "variable twice": (
        [("trainer.pod.env", [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}])],
        "trainer.pod.env[1].name: A is there twice",
    ),
    "one name for two in the extractor": (
        [
            ("trainer.pod.volumes", [{"name": "a", "emptyDir": {}}]),
            ("extractor.pod.volumes", [{"name": "a", "configMap": {"name": "b"}}]),
        ],
        "extractor.pod.volumes[0].name: a is another in trainer.pod.volumes",
    ),
    "no name of a variable": ([("server.pod.env", [{"name": "1A"}])], 'server.pod.env[0].name: "1A" is not allowed'),
    "no label": (
        [("server.pod.nodeSelector", {"a b": "c"})],
        'server.pod.nodeSelector.a b: "a b" is not allowed as a key',
    ),
    "no value of a label": ([("server.pod.nodeSelector", {"a": "b c"})], 'server.pod.nodeSelector.a: "b c" is not'),
    "no name of a claim": ([("storage.existingClaim", "My_Claim")], 'storage.existingClaim: "My_Claim" is not allowed'),
    "no host": (
        [("server.ingress", {"enabled": True, "hosts": ["A.example"]})],
        'server.ingress.hosts[0]: "A.example"',
    ),
    "no path": ([("server.ingress.path", "/a//b")], 'server.ingress.path: "/a//b" is not allowed'),
    "no image": ([("server.image.repository", "Team/Image")], 'server.image.repository: "Team/Image" is not allowed'),
    "no schedule": ([("extractor.schedule", "every hour")], 'extractor.schedule: "every hour" is not allowed'),
    "word in discrete": (
        [parameter("activation", "discrete", list=["relu"])],
        'experiment.parameters[0].feasibleSpace.list[0]: "relu" is not allowed; allowed: numbers',
    ),
    "step of an int with a fraction": (
        [parameter("batch", "int", min=2, max=8, step="1.5")],
        'experiment.parameters[0].feasibleSpace.step: "1.5" is not allowed; allowed: whole numbers',
    ),
    "number too large": (
        [parameter("lr", "double", min=0.1, max="1e999")],
        "experiment.parameters[0].feasibleSpace.max: 1e999 is not a finite number",
    ),
    "upper case": ([("experiment.name", "Upper")], 'experiment.name: "Upper" is not allowed; allowed: at most 31'),
    "share of more than all": (
        [("trainer.data.validationFraction", "1.5")],
        "trainer.data.validationFraction: 1.5 ",
    ),
    "scheme of a url": (
        [
            (
                "trainer.data",
                {"source": "npz", "name": None, "files": {"train": {"url": "gs://a/b", "sha256": "0" * 64}}},
            )
        ],
        'trainer.data.files.train.url: "gs://a/b" is not allowed; allowed: addresses that begin with https://',
    ),
    **{
        f"secrets of {url}": (
            [("trainer.data", {"source": "npz", "name": None, "files": {"train": {"url": url, "sha256": "0" * 64}}})],
            f'trainer.data.files.train.url: "{shown}" is not allowed; allowed: addresses that begin with https://',
        )
        for url, shown in {
            "file://me:pass@host/a?key=b#c": "file://host/a",
            "ftp://host/a@b/c?d": "ftp://host/a@b/c",
            "https:/me:pass@host/a": "https:/host/a",
            "me:pass@host/a": "host/a",
        }.items()
    },
    "no parameter": ([("experiment.parameters", [])], "experiment.parameters: is empty"),
    "source left out": ([("trainer.data.source", None)], "trainer.data.source: is missing"),
    "parameter twice": ([("experiment.parameters", [LR, LR])], "experiment.parameters[1].name: lr is there twice"),
    "unknown parameter": (
        [parameter("learning_rate", "double", min=0.1, max=1)],
        "experiment.parameters[0].name: learning_rate: unknown",
    ),
    "range turned round": (
        [parameter("lr", "double", min=0.1, max=0.01)],
        "parameters[0].feasibleSpace.min: 0.1 is more than max 0.01",
    ),
    "value twice": (
        [parameter("batch", "discrete", list=[32, 32])],
        "parameters[0].feasibleSpace.list[1]: 32 is there twice",
    ),
    "step 0": (
        [parameter("lr", "double", min=0.1, max=1, step=0)],
        "parameters[0].feasibleSpace.step: 0 is not allowed",
    ),
    "logarithm of 0": (
        [parameter("lr", "double", min=0, max=1, distribution="logUniform")],
        "min: 0 is not allowed with logUniform",
    ),
    "value no builder takes": (
        [parameter("batch", "discrete", list=[1])],
        "parameters[0].feasibleSpace.list[0]: batch: ",
    ),
    "word no builder takes": (
        [parameter("activation", "categorical", list=["tanh"])],
        "parameters[0].feasibleSpace.list[0]: activation: ",
    ),
    "range no builder takes": (
        [parameter("dropout", "double", min=0, max=1)],
        "parameters[0].feasibleSpace.max: dropout: ",
    ),
    "range of text that no builder takes": (
        [parameter("dropout", "double", min="0", max="1")],
        "parameters[0].feasibleSpace.max: dropout: ",
    ),
    "value twice, written in two ways": (
        [parameter("batch", "discrete", list=[32, "3.2e1"])],
        "parameters[0].feasibleSpace.list[1]: 3.2e1 is there twice",
    ),
    "a bound that is infinite": (
        [parameter("lr", "double", min=0.001, max="inf", step="inf")],
        'parameters[0].feasibleSpace.max: "inf" is not allowed',
    ),
    "value twice, as a number and as text": (
        [parameter("batch", "discrete", list=[32, "32"])],
        "parameters[0].feasibleSpace.list[1]: 32 is there twice",
    ),
    "bayesianoptimization from 0": (
        algorithm(
            "bayesianoptimization",
            {"name": "dropout", "parameterType": "double", "feasibleSpace": {"min": 0, "max": 0.5}},
        ),
        "parameters[0].feasibleSpace.min: 0 is not allowed: bayesianoptimization draws a double from its logarithm",
    ),
    "grid with too few points": (
        algorithm("grid", DEPTH, WIDTH),
        "experiment.maxTrialCount: 15 is more than the 4 points of the grid",
    ),
    "cmaes with one number": (
        algorithm("cmaes", LR, WIDTH),
        "experiment.algorithm.algorithmName: cmaes needs at least 2",
    ),
    "setting out of range": (algorithm("tpe", gamma=2), "algorithm.algorithmSettings[0].value: gamma: "),
    "setting of another word": (
        algorithm("cmaes", restart_strategy="often"),
        "algorithm.algorithmSettings[0].value: restart_strategy: ",
    ),
    "halving by 1": (
        [
            (
                "experiment.earlyStopping",
                {"algorithmName": "halving", "algorithmSettings": [{"name": "eta", "value": 1}]},
            )
        ],
        "earlyStopping.algorithmSettings[0].value: eta: ",
    ),
    "objective again": (
        [("experiment.objective.additionalMetricNames", ["val_accuracy"])],
        "additionalMetricNames[0]: val_accuracy is the objective already",
    ),
    "more at once than there are": (
        [("experiment.parallelTrialCount", 16)],
        "parallelTrialCount: 16 is more than maxTrialCount 15",
    ),
    "steps of a logarithm": (
        [parameter("lr", "double", min=0.001, max=0.1, step=0.001, distribution="logUniform")],
        "parameters[0].feasibleSpace.step: 0.001 is not allowed with logUniform, which has no steps; leave it out",
    ),
    "more failures than trials": (
        [("experiment.maxFailedTrialCount", 16)],
        "maxFailedTrialCount: 16 is more than maxTrialCount 15",
    ),
}
"""Rejected by the checks of both engines, at the same place."""

CLUSTER: dict[str, tuple[list[tuple[str, Any]], str]] = {
    "relative path": (
        [("trainer.data", {"source": "npz", "name": None, "files": {"train": {"path": "a.npz"}}})],
        'trainer.data.files.train.path: "a.npz" is relative',
    ),
    "a version that nobody serves": (
        [("promotion.version", "1e23c7bda11f"), ("extractor.mode", "none")],
        'promotion.version: "1e23c7bda11f" would not be served: extractor.mode is none',
    ),
    "a version of a release without a search": (
        [("promotion.version", "1e23c7bda11f"), ("experiment.enabled", False)],
        'promotion.version: "1e23c7bda11f" would not be served: experiment.enabled is false',
    ),
    "one port for two": ([("server.metricsPort", 8000)], "server.metricsPort: 8000 is server.port too"),
    "one service port for two": ([("server.metricsPort", 80)], "server.service.port: 80 is server.metricsPort too"),
    "two paths": (
        [
            ("server.ingress", {"enabled": True, "hosts": ["a.example"], "path": "/a"}),
            ("server.httpRoute", {"enabled": True, "parentRefs": [{"name": "g"}], "path": "/b"}),
        ],
        'server.httpRoute.path: "/b" is not server.ingress.path "/a"',
    ),
    "fewer than the fewest": (
        [("server.autoscaling", {"enabled": True, "minReplicas": 5})],
        "server.autoscaling.minReplicas: 5 is more than maxReplicas 4",
    ),
    "trials spread over one node's disk": (
        [("trainer.pod.topologySpreadConstraints", [SPREAD])],
        "trainer.pod.topologySpreadConstraints: pods on several nodes need storage.accessMode ReadWriteMany",
    ),
    "servers spread over one node's disk": (
        [("server.pod.topologySpreadConstraints", [SPREAD])],
        "server.pod.topologySpreadConstraints: pods on several nodes need storage.accessMode ReadWriteMany",
    ),
}
"""Rejected by the checks of Helm; one machine has no such things."""

GUARDS = BOTH | CLUSTER


def said(error: str) -> list[str]:
    """The violations of a message, without Helm's frame."""
    return [line.removeprefix("  - ") for line in error.splitlines() if line.startswith("  - ")]


def names(error: str, place: str) -> bool:
    """Whether Helm's message names a place: a value by its pointer, an unknown or missing key by its mapping's."""
    pointer = "/" + re.sub(r"\[(\d+)\]", r".\1", place).replace(".", "/")
    mapping, _, key = pointer.rpartition("/")
    lines = error.splitlines()
    return any(f"at '{pointer}': " in line or (f"at '{mapping}': " in line and f"'{key}'" in line) for line in lines)


def one_machine(changes: list[tuple[str, Any]], folder: Path) -> list[str]:
    """What the command says of the quickstart profile with these changes."""
    profile = yaml.safe_load(QUICKSTART.read_text())
    for where, value in changes:
        old = profile
        for step in where.split("."):
            old = old.get(step, {}) if isinstance(old, dict) else {}
        merged = old | value if isinstance(old, dict) and isinstance(value, dict) else value
        profile = with_value(profile, tuple(where.split(".")), merged)
    file = folder / "quickstart.yaml"
    file.write_text(yaml.safe_dump(profile))
    with pytest.raises(InvalidProfile) as caught:
        load(file, laptop=False)
    return caught.value.violations


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


@pytest.mark.parametrize("case", GUARDS)
def test_what_would_fail_later_is_refused_with_its_place(case: str) -> None:
    changes, expected = GUARDS[case]
    error = refused(QUICKSTART, values=values(*changes))
    assert any(expected in line for line in said(error)), error


@pytest.mark.parametrize("case", BOTH)
def test_one_machine_refuses_the_same_at_the_same_place(case: str, tmp_path: Path) -> None:
    changes, expected = BOTH[case]
    violations = one_machine(changes, tmp_path)
    assert any(expected.partition(": ")[0] in line for line in violations), violations


def test_all_that_is_wrong_is_said_in_one_message() -> None:
    cases = [
        "one port for two",
        "fewer than the fewest",
        "more at once than there are",
        "unknown parameter",
    ]
    error = refused(
        QUICKSTART, values=values(*[change for case in cases for change in GUARDS[case][0]]), api_versions=()
    )
    lines = said(error)
    assert len(lines) == len(cases) + 1, error
    for case in cases:
        assert any(GUARDS[case][1] in line for line in lines)


REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
OF_TRIALS: dict[str, list[tuple[str, Any]]] = {
    "shapes": [
        ("trainer.pod.env", [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a"}}}]),
        (
            "trainer.pod.volumes",
            [
                {"name": "a", "hostPath": {}},
                {"name": "b", "nfs": {"server": "a"}},
                {"name": "c", "configMap": {"name": "a", "items": [{"key": "a"}], "defaultMode": 999}},
                {"name": "d", "emptyDir": {"size": "1Gi"}},
                {"name": "e", "ephemeral": {}},
            ],
        ),
        ("trainer.pod.volumeMounts", [{"name": "a", "mountPath": "/a", "subPath": "a", "subPathExpr": "b"}]),
        ("trainer.pod.affinity.nodeAffinity", {REQUIRED: {"nodeSelectorTerms": []}}),
        ("trainer.pod.affinity.podAffinity", {REQUIRED: [{"labelSelector": {"matchLabel": {}}}]}),
        ("networkPolicy.trialEgress", [{"ports": [{"port": 99999}]}]),
        ("trainer.pod.timeoutSeconds", 3_000_000_000),
        ("trainer.finish.average", 1000),
    ],
    "texts": [
        (
            "trainer.pod.env",
            [
                {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodename"}}},
                {"name": "B", "valueFrom": {"resourceFieldRef": {"resource": "limits.gpu"}}},
                {"name": "C", "valueFrom": {"secretKeyRef": {"name": "a", "key": "a/b"}}},
            ],
        ),
        (
            "trainer.pod.volumes",
            [
                {"name": "a", "emptyDir": {"sizeLimit": "much"}},
                {"name": "b", "secret": {"secretName": "a", "items": [{"key": "a", "path": "../a"}]}},
            ],
        ),
        ("trainer.pod.volumeMounts", [{"name": "a", "mountPath": "/a", "subPath": "/a"}]),
        (
            "networkPolicy.trialEgress",
            [{"to": [{"ipBlock": {"cidr": "10.0.0.0/33"}}], "ports": [{"port": "a port"}]}],
        ),
    ],
}
PLACES = {
    "shapes": [
        "trainer.pod.env[0].valueFrom.secretKeyRef.key",
        "trainer.pod.volumes[0].hostPath.path",
        "trainer.pod.volumes[1].nfs.path",
        "trainer.pod.volumes[2].configMap.items[0].path",
        "trainer.pod.volumes[2].configMap.defaultMode",
        "trainer.pod.volumes[3].emptyDir.size",
        "trainer.pod.volumes[4].ephemeral.volumeClaimTemplate",
        "trainer.pod.volumeMounts[0].subPathExpr",
        f"trainer.pod.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms",
        f"trainer.pod.affinity.podAffinity.{REQUIRED}[0].topologyKey",
        f"trainer.pod.affinity.podAffinity.{REQUIRED}[0].labelSelector.matchLabel",
        "networkPolicy.trialEgress[0].ports[0].port",
        "trainer.pod.timeoutSeconds",
        "trainer.finish.average",
    ],
    "texts": [
        "trainer.pod.env[0].valueFrom.fieldRef.fieldPath",
        "trainer.pod.env[1].valueFrom.resourceFieldRef.resource",
        "trainer.pod.env[2].valueFrom.secretKeyRef.key",
        "trainer.pod.volumes[0].emptyDir.sizeLimit",
        "trainer.pod.volumes[1].secret.items[0].path",
        "trainer.pod.volumeMounts[0].subPath",
        "networkPolicy.trialEgress[0].to[0].ipBlock.cidr",
        "networkPolicy.trialEgress[0].ports[0].port",
    ],
}


@pytest.mark.parametrize("kind", OF_TRIALS)
def test_what_kubernetes_would_refuse_of_a_trial_is_refused_before_there_is_one(kind: str, tmp_path: Path) -> None:
    """Nobody looks into an Experiment's trials until the first is to run."""
    error = refused(QUICKSTART, values=values(*OF_TRIALS[kind]))
    lines = said(error) if kind == "texts" else []
    named = [place for place in PLACES[kind] if names(error, place) or any(f"{place}: " in line for line in lines)]
    assert named == PLACES[kind], error
    found = one_machine(OF_TRIALS[kind], tmp_path)
    assert [place for place in PLACES[kind] if not any(f": {place}: " in line for line in found)] == []


SOUND: list[tuple[str, Any]] = [
    (
        "trainer.pod.env",
        [
            {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a/b']"}}},
            {"name": "B", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
            {"name": "C", "valueFrom": {"secretKeyRef": {"name": "a", "key": "a.b", "optional": True}}},
        ],
    ),
    (
        "trainer.pod.volumes",
        [
            {"name": "a", "emptyDir": {"sizeLimit": "1Gi", "medium": "Memory"}},
            {"name": "b", "secret": {"secretName": "a", "items": [{"key": "a", "path": "b/..c", "mode": 256}]}},
            {"name": "c", "hostPath": {"path": "/data", "type": "Directory"}},
        ],
    ),
    ("trainer.pod.volumeMounts", [{"name": "a", "mountPath": "/a", "subPath": "b/c"}]),
    (
        "trainer.pod.affinity",
        {
            "nodeAffinity": {
                REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}
            },
            "podAntiAffinity": {
                REQUIRED: [{"labelSelector": {"matchLabels": {"a": "b"}}, "topologyKey": "kubernetes.io/hostname"}]
            },
        },
    ),
    ("networkPolicy.enabled", True),
    (
        "networkPolicy.trialEgress",
        [{"to": [{"ipBlock": {"cidr": "fd00::/8"}}], "ports": [{"port": "https"}, {"port": 443}]}],
    ),
]


def test_what_kubernetes_takes_of_a_trial_is_rendered() -> None:
    objects = render(QUICKSTART, values=values(*SOUND))
    assert [error for one in objects for error in violations(one)] == []


@pytest.mark.parametrize("helm", HELMS)
def test_a_cluster_without_katib_is_refused_with_the_way_out(helm: str) -> None:
    error = refused(QUICKSTART, helm=helm, api_versions=())
    assert "-a kubeflow.org/v1beta1/Experiment" in error
    assert "katib.crdCheck=false" in error
    assert render(QUICKSTART, helm=helm, api_versions=(), set=["katib.crdCheck=false"])


def test_a_cluster_without_the_gateway_api_is_refused() -> None:
    route = values(("server.httpRoute", {"enabled": True, "parentRefs": [{"name": "gateway"}]}))
    error = refused(QUICKSTART, values=route, api_versions=[one for one in API_VERSIONS if "gateway" not in one])
    assert "cluster: has no gateway.networking.k8s.io/v1/HTTPRoute" in error


@pytest.mark.parametrize("release", ["1digits", "digits.v2"])
def test_a_release_name_that_services_do_not_allow_is_refused(release: str) -> None:
    assert f'release name: "{release}"' in refused(QUICKSTART, release=release)


def test_a_name_of_ones_own_makes_up_for_the_releases() -> None:
    assert render(QUICKSTART, release="1digits", set=["fullnameOverride=digits"])


def test_algorithms_that_our_trials_do_not_fit_are_rejected_by_the_schema() -> None:
    """hyperband restarts every rung and stalls at the first failed trial; halving is ours for the same purpose."""
    known = json.loads((CHART / "values.schema.json").read_text())["properties"]["experiment"]["properties"][
        "algorithm"
    ]
    assert not {"hyperband", "pbt", "enas", "darts"} & {*known["properties"]["algorithmName"]["enum"]}
    error = refused(QUICKSTART, values=values(("experiment.algorithm.algorithmName", "hyperband")))
    assert "algorithmName" in error
    assert "multivariate-tpe" in error


def test_values_that_a_shell_would_read_otherwise_are_refused() -> None:
    """Katib joins a trial's arguments and passes them to a shell."""
    words = ["a b", "a;b", "$(date)", 'a"b', "a'b", "a\\b"]
    error = refused(QUICKSTART, values=values(parameter("activation", "categorical", list=words)))
    for index in range(len(words)):
        assert any(
            line.startswith(f"experiment.parameters[0].feasibleSpace.list[{index}]: ") for line in said(error)
        ), error


def test_generated_files_are_those_of_the_code() -> None:
    schema = (CHART / "values.schema.json").read_text()
    assert (CHART / "files" / "facts.json").read_text() == chart_facts.text(chart_facts.facts()) + "\n", (
        "make chart-docs"
    )
    assert schema == chart_facts.text(chart_facts.conditioned(json.loads(schema))) + "\n", "make chart-docs"
