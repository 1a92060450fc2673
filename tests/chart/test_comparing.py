"""`atelier compare` of the two searches of a `helm upgrade` names exactly what was changed in the values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from atelier_cli.profile import load
from atelier_store.differences.specs import compare
from atelier_store.layout import Store
from atelier_store.spec import Spec

from tests.chart.rendering import PROFILES, only, render
from tests.support.searches import atelier

pytestmark = pytest.mark.process

QUICKSTART = next(path for path in PROFILES if path.stem == "quickstart")
OPERATIONS = "feasibleSpace: {list: [conv3, res3, sep3, mbconv3]}"
LR = "feasibleSpace: {min: 0.003, max: 0.02, distribution: logUniform}"
BATCH = "    - {name: batch, parameterType: discrete, feasibleSpace: {list: [32, 64]}}\n"
SMOOTHING = "    - {name: label_smoothing, parameterType: discrete, feasibleSpace: {list: [0.05, 0.1, 0.2]}}\n"
SE = "    - {name: se, parameterType: categorical, feasibleSpace: {list: [true, false]}}\n"
SPACE = "experiment.parameters"
Edit = list[tuple[str, str]]
Found = list[tuple[str, str, Any, Any]]

CHANGES: dict[str, tuple[Edit, Found]] = {
    "a wider range": (
        [(LR, "feasibleSpace: {min: 0.001, max: 0.02, distribution: logUniform}")],
        [(f"{SPACE}.lr", "widened", {"min": 0.003, "max": 0.02}, {"min": 0.001, "max": 0.02})],
    ),
    "other choices": (
        [(OPERATIONS, "feasibleSpace: {list: [conv5, conv3, sep3, res3]}")],
        [(f"{SPACE}.stage2_op", "added", None, ["conv5"]), (f"{SPACE}.stage2_op", "removed", ["mbconv3"], None)],
    ),
    "a parameter more and one less": (
        [(SMOOTHING, ""), (BATCH, BATCH + SE)],
        [
            (
                f"{SPACE}.label_smoothing",
                "removed",
                {"parameterType": "discrete", "list": ["0.05", "0.1", "0.2"]},
                None,
            ),
            (f"{SPACE}.se", "added", None, {"parameterType": "categorical", "list": ["true", "false"]}),
        ],
    ),
    "a goal and another algorithm": (
        [("    type: maximize", "    type: maximize\n    goal: 0.99"), ("multivariate-tpe", "tpe")],
        [
            ("experiment.objective.goal", "added", None, 0.99),
            ("experiment.algorithm.algorithmName", "changed", "multivariate-tpe", "tpe"),
        ],
    ),
    "another objective": (
        [
            ("type: maximize", "type: minimize"),
            ("Name: val_accuracy", "Name: val_loss"),
            ("[val_loss]", "[val_accuracy]"),
        ],
        [
            ("experiment.objective.type", "changed", "maximize", "minimize"),
            ("experiment.objective.objectiveMetricName", "changed", "val_accuracy", "val_loss"),
            ("experiment.objective.additionalMetricNames", "changed", ["val_loss"], ["val_accuracy"]),
        ],
    ),
    "other settings": (
        [
            ("{name: eta, value: 3}", "{name: eta, value: 4}"),
            ("{name: random_state, value: 4}", "{name: random_state, value: 2}"),
        ],
        [
            ("experiment.algorithm.algorithmSettings.random_state", "lowered", 4, 2),
            ("experiment.earlyStopping.algorithmSettings.eta", "raised", 3, 4),
        ],
    ),
    "data, split and limits": (
        [
            ("    name: digits\n", "    name: digits\n    limit: 500\n    validationFraction: 0.25\n"),
            (
                "  tailEpochs: 6",
                "  seed: 7\n  keepWeights: best\n  classWeights: balanced\n  budget: {params: 20000, latencyMs: 0.5}",
            ),
        ],
        [
            ("trainer.data.limit", "added", None, 500),
            ("trainer.data.validationFraction", "raised", 0.2, 0.25),
            ("trainer.tailEpochs", "lowered", 6, 0),
            ("trainer.seed", "raised", 0, 7),
            ("trainer.classWeights", "changed", "none", "balanced"),
            ("trainer.keepWeights", "changed", "last", "best"),
            ("trainer.budget.params", "added", None, 20000),
            ("trainer.budget.latencyMs", "added", None, 0.5),
        ],
    ),
    "fewer trials than may fail": (
        [("maxTrialCount: 15", "maxTrialCount: 2")],
        [("experiment.maxTrialCount", "lowered", 15, 2)],
    ),
}
RESTATED: dict[str, tuple[Edit, list[str]]] = {
    "another order": (
        [(BATCH, ""), (SMOOTHING, BATCH + SMOOTHING)],
        [SPACE],
    ),
    "choices in another order, and a number written otherwise": (
        [
            (OPERATIONS, "feasibleSpace: {list: [mbconv3, conv3, res3, sep3]}"),
            ("[0.05, 0.1, 0.2]", '[0.05, "0.10", 0.2]'),
        ],
        [f"{SPACE}.stage2_op", f"{SPACE}.label_smoothing"],
    ),
    "a default that is left out": (
        [("      - {name: min_epochs, value: 3}\n", "")],
        ["experiment.earlyStopping.algorithmSettings"],
    ),
    "defaults that are written out": (
        [
            ("  tailEpochs: 6", "  tailEpochs: 6\n  seed: 0\n  classWeights: none\n  budget: {params: null}"),
            ("  maxTrialCount: 15", "  maxTrialCount: 15\n  maxFailedTrialCount: auto\n  parallelTrialCount: auto"),
        ],
        [],
    ),
    "what is no part of a search": (
        [
            ("server:\n", "promotion:\n  policy: candidate\nserver:\n"),
            ("  maxEpochs: 18", "  maxEpochs: 18\n  resources: {limits: {cpu: 4}}"),
        ],
        [],
    ),
}


def edited(edit: Edit, folder: Path) -> Path:
    """A copy of the quick start, with an algorithm that both engines have, and with parts replaced."""
    text = QUICKSTART.read_text().replace("algorithmName: auto", "algorithmName: multivariate-tpe")
    for old, new in edit:
        assert old in text, old
        text = text.replace(old, new)
    folder.mkdir()
    (folder / "quickstart.yaml").write_text(text)
    return folder / "quickstart.yaml"


def on_a_cluster(profile: Path) -> Spec:
    """The spec that the chart gives to every trial."""
    objects = render(profile)
    name = only(objects, "Experiment")["metadata"]["name"]
    return Spec.model_validate_json(only(objects, "ConfigMap", name)["data"]["spec.json"])


@pytest.mark.parametrize("what", CHANGES)
def test_what_was_changed_in_the_values_is_named_and_nothing_else(what: str, tmp_path: Path) -> None:
    edit, expected = CHANGES[what]
    as_it_was, profile = edited([], tmp_path / "before"), edited(edit, tmp_path / "after")
    store = Store(tmp_path / "store")
    before, after = on_a_cluster(as_it_was), on_a_cluster(profile)
    for spec in (before, after):  # one that is the same search has counters of its own, and is laid elsewhere
        spec.write(store.experiment(spec.experiment_name).spec)
    if before.experiment_name != after.experiment_name:
        arguments = before.experiment_name, after.experiment_name, "--store", str(store.root), "--check", "-o", "json"
        done = atelier("compare", *arguments)
        assert done.returncode == 1
        told = json.loads(done.stdout)["differences"]
        assert [(one["name"], one["change"], one["a"], one["b"]) for one in told if one["part"] == "spec"] == expected
    for a, b in ((before, after), (load(as_it_was).spec, load(profile).spec)):
        found = compare(a, b)
        assert [(one.name, one.change, one.a, one.b) for one in found.differences] == expected
        assert found.restated == []


@pytest.mark.parametrize("what", RESTATED)
def test_what_means_the_same_is_no_difference(what: str, tmp_path: Path) -> None:
    edit, restated = RESTATED[what]
    as_it_was, profile = edited([], tmp_path / "before"), edited(edit, tmp_path / "after")
    for a, b in ((on_a_cluster(as_it_was), on_a_cluster(profile)), (load(as_it_was).spec, load(profile).spec)):
        found = compare(a, b)
        assert (found.differences, sorted(found.restated)) == ([], sorted(restated))
