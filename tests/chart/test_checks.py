"""What would fail later is rejected at once by the checks, with everything that is wrong in one message.

`helm lint` ignores fail, so each check of the templates is tested by `helm template`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.chart.rejections import DEPTH, LR, QUICKSTART, WIDTH, algorithm, one_machine, parameter, said, values
from tests.chart.rendering import refused

pytestmark = pytest.mark.process

SPREAD = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}


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
    "a mirror image of rows": (
        [("trainer.data.name", "wine"), ("trainer.finish.mirror", True)],
        "trainer.finish.mirror: true is for images, which have a mirror image, not for rows; allowed: false",
    ),
    "a mirror image of signals": (
        [
            (
                "trainer.data",
                {"source": "npz", "name": None, "kind": "signals", "files": {"train": {"path": "/a.npz"}}},
            ),
            ("trainer.finish.mirror", True),
        ],
        "trainer.finish.mirror: true is for images, which have a mirror image, not for signals; allowed: false",
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
        "experiment.stopWhen.expectedGainBelow: 0 is not allowed; it must be more than 0",
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
    "variable of the extractor's own": (
        [("extractor.pod.env", [{"name": "ATELIER_CURRENT_SEARCH", "value": "1"}])],
        "extractor.pod.env[0].name: ATELIER_CURRENT_SEARCH is the chart's own; choose another",
    ),
    "variable of a trial that the extractor's container has too": (
        [("trainer.pod.env", [{"name": "ATELIER_CURRENT_SEARCH", "value": "1"}])],
        "trainer.pod.env[0].name: ATELIER_CURRENT_SEARCH is the chart's own",
    ),
    "variable of a trial that our algorithm resumes": (
        [*algorithm("atelier"), ("trainer.pod.env", [{"name": "A", "value": "1"}, {"name": "RESUMED_AT"}])],
        "trainer.pod.env[1].name: RESUMED_AT is the chart's own",
    ),
    "variable of all containers that some have": (
        [*algorithm("atelier"), ("env", [{"name": "ATELIER_CURRENT_SEARCH"}, {"name": "RESUMED_AT"}])],
        "env[1].name: RESUMED_AT is the chart's own",
    ),
    "variable of the folder of one's own modules": (
        [("trainer.modules", {"my.py": ""}), ("env", [{"name": "ATELIER_MODULES", "value": "/mine"}])],
        "env[0].name: ATELIER_MODULES is the chart's own",
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
    **{
        f"{text} for a number": (
            [parameter(name, "categorical", list=[text])],
            f'parameters[0].feasibleSpace.list[0]: {name}: "{text}" is not allowed; allowed: ',
        )
        for name in ("batch", "dropout")
        for text in ("1_0", "1_000", "infinity", "nan", "0x10", "1e999")
    },
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
    "a setting that int() does not read": (
        [
            (
                "experiment.earlyStopping",
                {"algorithmName": "halving", "algorithmSettings": [{"name": "eta", "value": "3.0"}]},
            )
        ],
        'earlyStopping.algorithmSettings[0].value: eta: "3.0" is not allowed; allowed: whole numbers from 2',
    ),
    "Katib's name of a trial": (
        [
            ("trainer.data", {"source": "npz", "name": None, "kind": "auto", "files": {"train": {"path": "/a.npz"}}}),
            parameter("trialName", "int", min=1, max=2),
        ],
        "experiment.parameters[0].name: trialName is what Katib calls the trial itself",
    ),
    "less than the least": ([("server.deadlineSeconds", "0.001")], "server.deadlineSeconds: 0.001 is less than 0.01"),
    "a tolerance of a cluster": (
        [("experiment.tolerance", 0.01)],
        "experiment.tolerance: 0.01 is for one machine only",
    ),
    "volume of the extractor, which retrains": (
        [
            ("experiment.earlyStopping", {"algorithmName": "none", "algorithmSettings": []}),
            ("trainer.finish", {"retrain": "always"}),
            ("extractor.pod.volumes", [{"name": "spec", "emptyDir": {}}]),
        ],
        "extractor.pod.volumes[0].name: spec is the chart's own",
    ),
    "volume of the extractor's account": (
        [("extractor.pod.volumes", [{"name": "access", "emptyDir": {}}])],
        "extractor.pod.volumes[0].name: access is the chart's own",
    ),
    "volume of a trial that the extractor's pod has too": (
        [("trainer.pod.volumes", [{"name": "search", "emptyDir": {}}])],
        "trainer.pod.volumes[0].name: search is the chart's own",
    ),
    "mount over the store by another way": (
        [("server.pod.volumeMounts", [{"name": "tmp", "mountPath": "/data/../store"}])],
        "server.pod.volumeMounts[0].mountPath: /store is the chart's own",
    ),
    "more failures than trials": (
        [("experiment.maxFailedTrialCount", 16)],
        "maxFailedTrialCount: 16 is more than maxTrialCount 15",
    ),
}
"""Rejected by the checks of both engines, with the same words."""

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


@pytest.mark.parametrize("case", GUARDS)
def test_what_would_fail_later_is_refused_with_its_place(case: str) -> None:
    changes, expected = GUARDS[case]
    error = refused(QUICKSTART, values=values(*changes))
    assert any(expected in line for line in said(error)), error


@pytest.mark.parametrize("case", BOTH)
def test_one_machine_says_the_same_of_the_same_places(case: str, tmp_path: Path) -> None:
    changes, _ = BOTH[case]
    lines = {line.partition(": ")[2] for line in one_machine(changes, tmp_path)}
    assert {re.sub(r"did you mean \S+\? ", "", line) for line in lines} == {
        *said(refused(QUICKSTART, values=values(*changes)))
    }


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


def test_values_that_a_shell_would_read_otherwise_are_refused() -> None:
    """Katib joins a trial's arguments and passes them to a shell."""
    words = ["a b", "a;b", "$(date)", 'a"b', "a'b", "a\\b"]
    error = refused(QUICKSTART, values=values(parameter("activation", "categorical", list=words)))
    for index in range(len(words)):
        assert any(
            line.startswith(f"experiment.parameters[0].feasibleSpace.list[{index}]: ") for line in said(error)
        ), error
