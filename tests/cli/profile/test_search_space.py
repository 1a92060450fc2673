"""The search space: the default one, one's own, and what no builder or algorithm can search."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from atelier_cli.profile import load
from atelier_cli.profile.facts import ALGORITHM_SETTINGS, METRICS
from atelier_cli.profile.rules import check_builders
from atelier_store.scores import scores
from atelier_store.spec import AlgorithmName, Kind, Parameter
from atelier_trial.default_space import default_space

from tests.cli.profile.sound_profile import SOUND, refused, space_of, written

NO_LIST = """
trainer: {data: {source: table, target: survived, files: {train: {path: titanic.csv}}}}
"""


@pytest.mark.parametrize(
    "data",
    [
        "source: table, target: survived",
        "source: csv, target: survived",
        "source: npz, kind: rows",
        "source: sklearn, name: wine",
    ],
)
def test_rows_have_a_search_space_by_default(tmp_path: Path, data: str) -> None:
    text = NO_LIST.replace("source: table, target: survived", data)
    if "sklearn" in data:
        text = text.replace(", files: {train: {path: titanic.csv}}", "")
    parameters = load(written(tmp_path, text)).spec.experiment.parameters
    assert parameters == tuple(map(Parameter.model_validate, default_space("rows")))


def test_a_list_of_ones_own_takes_the_place_of_the_whole_space(tmp_path: Path) -> None:
    own = {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0.001", "max": "0.01"}}
    parameters = load(written(tmp_path, NO_LIST), [space_of(own)]).spec.experiment.parameters
    assert [p.name for p in parameters] == ["lr"]


@pytest.mark.parametrize("data", ["source: npz", "source: images"])
def test_what_has_no_space_by_default_needs_a_list(tmp_path: Path, data: str) -> None:
    (violation,) = refused(written(tmp_path, NO_LIST.replace("source: table, target: survived", data)))
    assert "experiment.parameters: is empty; allowed: at least one parameter" in violation


def test_one_machine_draws_from_no_normal_distribution(tmp_path: Path) -> None:
    path = written(tmp_path, SOUND.replace("min: 0.001", "distribution: normal\n        min: 0.001"))
    override = "experiment.algorithm.algorithmName=tpe"
    assert load(path, [override], laptop=False)
    (violation,) = refused(path, override)
    assert "feasibleSpace.distribution: one machine's tpe cannot draw from normal; allowed: uniform" in violation


def test_bayesian_optimization_needs_doubles_above_zero(tmp_path: Path) -> None:
    override = "experiment.algorithm.algorithmName=bayesianoptimization"
    assert load(written(tmp_path, SOUND), [override])
    path = written(tmp_path, SOUND.replace("name: lr", "name: dropout").replace("min: 0.001", "min: 0"))
    assert [v.partition(": bay")[0] for v in refused(path, override)] == [
        "x.yaml:9: experiment.parameters[0].feasibleSpace.min: 0 is not allowed"
    ]


def test_cmaes_needs_two_numbers(tmp_path: Path) -> None:
    override = "experiment.algorithm.algorithmName=cmaes"
    assert load(written(tmp_path, SOUND), [override])
    path = written(
        tmp_path,
        SOUND.replace(
            "parameterType: int\n      feasibleSpace: {min: 1, max: 3}",
            "parameterType: discrete\n      feasibleSpace: {list: [1]}",
        ),
    )
    place = f"--set {override}: experiment.algorithm.algorithmName"
    assert refused(path, override) == [f"{place}: cmaes needs at least 2 int or double parameters; there are 1"]


def test_a_grid_has_to_have_a_point_for_every_trial(tmp_path: Path) -> None:
    path = written(tmp_path, SOUND.replace("min: 0.001", "step: 0.009\n        min: 0.001"))
    grid = "experiment.algorithm.algorithmName=grid"
    assert refused(path, grid) == ["x.yaml:3: experiment.maxTrialCount: 8 is more than the 6 points of the grid"]
    assert load(path, [grid, "experiment.maxTrialCount=6"])


def test_a_cluster_may_use_medianstop(tmp_path: Path) -> None:
    assert load(written(tmp_path, SOUND), ["experiment.earlyStopping.algorithmName=medianstop"], laptop=False)


@pytest.mark.parametrize("kind", ["images", "signals", "rows"])
def test_what_no_builder_accepts_is_named_for_each_kind_of_data(tmp_path: Path, kind: Kind) -> None:
    spec = load(written(tmp_path, SOUND)).spec
    assert list(check_builders(spec, kind)) == []
    unfit = Parameter.model_validate(
        {"name": "head", "parameterType": "categorical", "feasibleSpace": {"list": ["avg", "sum"]}}
    )
    experiment = spec.experiment.model_copy(update={"parameters": (*spec.experiment.parameters, unfit)})
    (finding,) = check_builders(spec.model_copy(update={"experiment": experiment}), kind)
    assert str(finding).startswith("experiment.parameters[2].")


def test_data_of_unknown_kind_leave_the_builders_for_later(tmp_path: Path) -> None:
    text = (
        SOUND.replace("name: digits", "files: {train: {path: x.npz}}")
        .replace("source: sklearn", "source: npz")
        .replace("name: lr", "name: ler")
    )
    spec = load(written(tmp_path, text)).spec
    assert [str(finding).partition(";")[0] for finding in check_builders(spec, "rows")] == [
        "experiment.parameters[0].name: ler: unknown parameter for rows"
    ]


@pytest.mark.process
def test_the_metrics_known_for_a_task_are_those_a_trial_reports() -> None:
    known = {task: set(metrics) - {"train_loss"} for task, metrics in METRICS.items()}
    certain, rows = np.eye(2, dtype=np.float32), np.array([0, 1])
    assert known["classification"] == set(scores("classification", certain, rows, "val"))
    assert known["multilabel"] == set(scores("multilabel", certain, certain, "val"))
    assert known["regression"] == set(scores("regression", certain, certain, "val"))


@pytest.mark.parametrize("algorithm", get_args(AlgorithmName))
def test_the_settings_of_every_algorithm_are_known(algorithm: str) -> None:
    assert algorithm in ALGORITHM_SETTINGS
