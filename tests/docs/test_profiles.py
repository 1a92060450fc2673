"""What the tables about profiles list is what there is, and the profiles shown are sound."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from atelier_cli.profile import load
from atelier_cli.profile.facts import ALGORITHM_SETTINGS, METRICS
from atelier_store.layout import Store
from atelier_trial import data, identity, space
from atelier_trial.data.files import OPTIONAL, REQUIRED
from atelier_trial.data.sources import BUNDLED
from atelier_trial.default_space import default_space

from tests.support import ROOT
from tests.support.pages import DATA, NETWORKS, PROFILES, SEARCHING, named, table


def test_the_search_space_listed_is_the_one_that_builders_accept() -> None:
    listed = table(NETWORKS, "name", "for", "means", "a builder accepts", "default")
    for kind in ("images", "signals", "rows"):
        for task in ("classification", "regression"):
            expected = {n: (d.allowed, str(d.default).lower()) for n, d in space.domains(kind, task).items()}
            found: dict[str, tuple[str, str]] = {}
            for name, owners, _, accepted, default in listed:
                if {"all", kind, task} & set(owners.split(", ")):
                    found |= {one: (accepted, value) for one, value in each_stage(name, default)}
            assert found == expected, (kind, task)


def test_the_space_listed_for_rows_is_the_one_that_is_searched_by_default() -> None:
    spaces = {one["name"]: one["feasibleSpace"] for one in default_space("rows")}
    shown = {
        name: ", ".join(of["list"]) if "list" in of else f"{of['min']} to {of['max']}" for name, of in spaces.items()
    }
    assert dict(table(NETWORKS, "searched by default", "values")) == shown


def each_stage(name: str, default: str) -> Iterator[tuple[str, str]]:
    if "stageN" not in name:
        yield name, default
        return
    first, _, others = default.partition(" for stage 1, else ")
    for stage in range(1, space.STAGES + 1):
        yield name.replace("N", str(stage)), first if stage == 1 or not others else others


def test_the_profiles_listed_are_those_that_are_there() -> None:
    listed = [name for name, _, _ in table(PROFILES, "file in values/", "is for", "a cluster needs")]
    assert sorted(listed) == sorted(file.name for file in (ROOT / "values").iterdir())


def test_the_sources_listed_are_those_that_can_be_read() -> None:
    required, optional = ({str(source): names for source, names in of.items()} for of in (REQUIRED, OPTIONAL))
    rows = {source: files for source, files, _ in table(DATA, "source", "files", "what they hold")}
    assert rows.keys() == required.keys()
    for source, files in rows.items():
        expected = BUNDLED if source == "sklearn" else required[source] + optional[source]
        assert set(re.findall(r"\w+", files)) - {"none", "name", "is", "or"} == set(expected)


def test_the_metrics_listed_are_those_of_each_task() -> None:
    found: dict[str, dict[str, str]] = {}
    for task, metric, direction, _ in table(SEARCHING, "task", "metric", "type", "is"):
        found.setdefault(task, {})[metric] = direction
    assert found == METRICS


def test_the_algorithms_listed_have_the_settings_listed() -> None:
    rows = table(SEARCHING, "algorithm", "settings", "one machine", "good for")
    assert {name: set(s.split(", ")) - {"none"} for name, s, _, _ in rows} == {
        n: set(s) for n, s in ALGORITHM_SETTINGS.items()
    }


CHANGES: dict[str, Any] = {
    "experiment.maxTrialCount": 9,
    "experiment.parallelTrialCount": 2,
    "experiment.stopWhen.expectedGainBelow": 0.01,
    "experiment.maxFailedTrialCount": 1,
    "trainer.maxEpochs": 50,
    "trainer.tailEpochs": 4,
    "trainer.finish.average": 3,
    "trainer.finish.mirror": True,
    "trainer.finish.retrain": "always",
    "trainer.finish.int8": 0.01,
    "trainer.keepWeights": "best",
    "server.port": 9000,
    "experiment.name": "other",
    "experiment.parameters": [
        {"name": "stage1_width", "parameterType": "discrete", "feasibleSpace": {"list": [16, 48]}}
    ],
    "experiment.algorithm.algorithmName": "random",
    "experiment.objective.goal": 1,
    "experiment.objectives": [{"metric": "params"}],
    "experiment.experience.enabled": True,
    "experiment.earlyStopping.algorithmName": "none",
    "trainer.budget.params": 10000,
    "trainer.seed": 1,
    "trainer.data.validationFraction": 0.3,
    "trainer.data.folds": 3,
    "trainer.data.limit": 50,
}


BESIDE: dict[str, dict[str, Any]] = {
    "trainer.finish.mirror": {
        "trainer.data": {"source": "sklearn", "name": "digits"},
        "experiment.objective": {"objectiveMetricName": "val_accuracy"},
        "experiment.parameters": [
            {"name": "stage1_width", "parameterType": "discrete", "feasibleSpace": {"list": [16, 32]}}
        ],
    }
}
"""What these are changed beside: a table has no mirror image."""


def test_what_makes_another_search_and_what_trains_anew_is_as_listed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    rows = {
        key: (search, trained) for key, search, trained in table(SEARCHING, "changed", "the search", "trained networks")
    }
    assert rows.keys() == CHANGES.keys()
    of_a_table = identities(folder, {})
    for key, (search, trained) in rows.items():
        beside = BESIDE.get(key, {})
        before = identities(folder, beside) if beside else of_a_table
        name, trial = identities(folder, beside | {key: CHANGES[key]})
        assert (name == before[0]) == (search == "continues"), key
        assert (trial == before[1]) == trained.startswith("reused"), key


def identities(folder: Path, changes: dict[str, Any]) -> tuple[str, str]:
    """The experiment's name and the key of one trial, with some values of flats.yaml changed."""
    values = yaml.safe_load((folder / "flats.yaml").read_text())
    for key, value in changes.items():
        *way, last = key.split(".")
        place = values
        for step in way:
            place = place.setdefault(step, {})
        place[last] = value
    changed = folder / "changed" / "flats.yaml"
    changed.parent.mkdir(exist_ok=True)
    changed.write_text(yaml.safe_dump(values))
    spec = load(changed).spec
    description = data.prepare(spec.trainer.data, Store(folder / "scratch"), folder, None, spec.trainer.seed)
    return spec.experiment_name, identity.trial_config(spec, description, {"stage1_width": "16"}).key


@pytest.mark.parametrize("name", [name for name, text in named("yaml").items() if "network:" not in text])
def test_a_shown_profile_is_sound_and_its_data_can_be_prepared(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)  # as the command looks in its working directory
    spec = load(Path(name)).spec
    description = data.prepare(spec.trainer.data, Store(folder / "scratch"), folder, folder / "data", spec.trainer.seed)
    assert description.train_rows > 0 and description.test_rows > 0
    assert spec.trainer.data.kind in ("auto", description.kind)
