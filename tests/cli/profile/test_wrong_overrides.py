"""Wrong values of --set: each is named as it was set, without the secrets of a URL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.profile.sound_profile import SOUND, refused, space_of, written


def test_what_was_set_wrongly_is_said_to_be_set(tmp_path: Path) -> None:
    path = written(tmp_path, SOUND)
    assert refused(path, "trainer.maxEpochs=0") == [
        "--set trainer.maxEpochs=0: trainer.maxEpochs: 0 is less than 1, the least allowed"
    ]
    assert refused(path, "trainer.budget={params: 0}") == [
        "--set trainer.budget={params: 0}: trainer.budget.params: 0 is less than 1, the least allowed"
    ]
    assert refused(path, "trainer.maxEpochs", "=3", "seed=[1") == [
        "--set trainer.maxEpochs: is not key=value, such as trainer.maxEpochs=30",
        "--set =3: is not key=value, such as trainer.maxEpochs=30",
        "--set seed=[1: the value is not YAML: expected ',' or ']', but got '<stream end>'",
    ]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (space_of(), "experiment.parameters: is empty"),
        (
            space_of({"name": "batch", "parameterType": "discrete", "feasibleSpace": {"list": ["many"]}}),
            'experiment.parameters[0].feasibleSpace.list[0]: "many" is not allowed; allowed: numbers',
        ),
        (
            space_of({"name": "batch", "parameterType": "discrete", "feasibleSpace": {"list": [32, 32]}}),
            "experiment.parameters[0].feasibleSpace.list[1]: 32 is there twice",
        ),
        (
            space_of({"name": "batch", "parameterType": "discrete", "feasibleSpace": {"list": [32], "min": 1}}),
            "experiment.parameters[0].feasibleSpace.min: unknown key; allowed: list where parameterType is",
        ),
        (
            space_of({"name": "head", "parameterType": "categorical", "feasibleSpace": {"list": ["avg", "mean"]}}),
            'experiment.parameters[0].feasibleSpace.list[1]: head: "mean" is not allowed; allowed: avg, max, avgmax',
        ),
        (
            space_of({"name": "head", "parameterType": "categorical", "feasibleSpace": {"list": ["avg; rm"]}}),
            'experiment.parameters[0].feasibleSpace.list[0]: "avg; rm" is not allowed',
        ),
        (
            "experiment.algorithm={algorithmName: grid}",
            "experiment.parameters[0].feasibleSpace.step: is missing where algorithm.algorithmName is grid and ",
        ),
        (
            "experiment.algorithm={algorithmName: hyperband}",
            'experiment.algorithm.algorithmName: "hyperband" is not allowed; allowed: auto, atelier, random',
        ),
        (
            "experiment.algorithm={algorithmName: tpe, algorithmSettings: [{name: sigma, value: 1}]}",
            'experiment.algorithm.algorithmSettings[0].name: "sigma" is not allowed; did you mean gamma? allowed: ',
        ),
        (
            "experiment.algorithm={algorithmName: tpe, algorithmSettings: [{name: gamma, value: 2}]}",
            'experiment.algorithm.algorithmSettings[0].value: gamma: "2" is not allowed; allowed: numbers above 0 and',
        ),
        (
            "experiment.algorithm.algorithmSettings=[{name: random_state, value: 1}, {name: random_state, value: 2}]",
            "experiment.algorithm.algorithmSettings[1].name: random_state is there twice",
        ),
        (
            "experiment.earlyStopping.algorithmSettings=[{name: eta, value: 2.5}]",
            'experiment.earlyStopping.algorithmSettings[0].value: eta: "2.5" is not allowed; allowed: whole numbers',
        ),
        (
            "experiment.earlyStopping.algorithmSettings=[{name: eta, value: 1}]",
            'experiment.earlyStopping.algorithmSettings[0].value: eta: "1"',
        ),
        (
            "experiment.earlyStopping.algorithmSettings=[{name: min_epochs, value: 0}]",
            'experiment.earlyStopping.algorithmSettings[0].value: min_epochs: "0"',
        ),
        (
            "experiment.objectives=[{metric: latency}]",
            'experiment.objectives[0].metric: "latency" is not allowed; did you mean latencyMs? allowed: params, macs,',
        ),
        (
            "experiment.objectives=[{metric: params, type: maximize}]",
            'experiment.objectives[0].type: "maximize" is not allowed; allowed: minimize where metric is params, ',
        ),
        (
            "experiment.objectives=[{metric: val_auc}]",
            "experiment.objectives[0].type: is missing",
        ),
        (
            "experiment.objectives=[{metric: params}, {metric: params}]",
            "experiment.objectives[1].metric: params is an objective already",
        ),
        ("trainer.finish.average=1", "trainer.finish.average: 1 is less than 2, the least allowed"),
        (
            "experiment.tolerance=0.01",
            "experiment.tolerance: 0.01 needs experiment.objectives, to choose by",
        ),
        (
            "experiment.experience.searches=[digits]",
            "experiment.experience.searches: unknown key; allowed: enabled, stores",
        ),
        (
            "experiment.stopWhen.expectedGainBelow=0",
            "experiment.stopWhen.expectedGainBelow: 0 is not allowed; it must be more than 0",
        ),
        (
            "experiment.earlyStopping.algorithmName=medianstop",
            "experiment.earlyStopping.algorithmName: medianstop is Katib's and runs on a cluster only",
        ),
        (
            "experiment.objective.objectiveMetricName=val_loss",
            'experiment.objective.type: "maximize" is not allowed; allowed: minimize where objectiveMetricName is ',
        ),
        (
            "experiment.objective.objectiveMetricName=val_rmse",
            'experiment.objective.objectiveMetricName: "val_rmse" is not allowed; did you mean val_mcc? allowed: ',
        ),
        (
            "experiment.objective.objectiveMetricName=accuracy",
            'experiment.objective.objectiveMetricName: "accuracy" is not allowed; did you mean val_accuracy?',
        ),
        (
            "experiment.objective.additionalMetricNames=[val_r2]",
            'experiment.objective.additionalMetricNames[0]: "val_r2" is not allowed; ',
        ),
        (
            "experiment.objective.additionalMetricNames=[val_accuracy]",
            "experiment.objective.additionalMetricNames[0]: val_accuracy is the objective already",
        ),
        (
            "trainer.data.task=regression",
            'experiment.objective.objectiveMetricName: "val_accuracy" is not allowed; allowed: val_rmse, ',
        ),
        (
            "trainer.data.files={train: {path: a, url: 'https://a/b'}}",
            "trainer.data.files.train: unknown key; allowed: none where source is sklearn",
        ),
    ],
)
def test_a_wrong_value_that_was_set_is_named(tmp_path: Path, override: str, message: str) -> None:
    violations = refused(written(tmp_path, SOUND), override)
    path = override.partition("=")[0]
    found = [violation for violation in violations if violation.partition(": " + message)[1]]
    assert found, violations
    if message.startswith(path):
        assert found[0].startswith(f"--set {override}: ")


@pytest.mark.parametrize(
    "override",
    [
        "trainer.data.files.train.url=file://me:hunter2@host/a?key=c0ffee",
        "trainer.data.files.train.url=me:hunter2@host/a?key=c0ffee",
        "trainer.data.files.train=https://me:hunter2@host/a?key=c0ffee",
        "trainer.data.files={https://me:hunter2@host/a?key=c0ffee}",
        "trainer.data.files.train.url=https://me:hunter2@host/a?key=c0ffee,trainer.seed=x",
    ],
)
def test_the_secrets_of_a_url_that_was_set_are_not_shown(tmp_path: Path, override: str) -> None:
    violations = refused(written(tmp_path, SOUND), override)
    assert any("trainer.data.files" in violation and "host/a" in violation for violation in violations)
    assert not [violation for violation in violations if "hunter2" in violation or "c0ffee" in violation]
