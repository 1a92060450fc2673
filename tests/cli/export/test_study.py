"""A study in a journal file is what Optuna itself opens, with distributions, curves, states and times."""

from datetime import UTC, datetime
from pathlib import Path

import optuna
import pytest
from atelier_store.curve import read_curve
from atelier_store.layout import Store
from atelier_store.records import Card, Member
from atelier_store.spec import Spec
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial

from tests.cli.export.conftest import ORDER, SUGGESTED
from tests.support.experiments import add_trial
from tests.support.onnx_bundles import image_bundle
from tests.support.searches import atelier


@pytest.fixture
def study(store: Store, searched: Spec, tmp_path: Path) -> optuna.Study:
    """The study, as Optuna opens it."""
    file = tmp_path / "study.log"
    done = atelier("export", "optuna", searched.experiment_name, "--store", str(store.root), "--file", str(file))
    assert (done.returncode, done.stderr) == (0, f"written: {file}\n")
    storage = JournalStorage(JournalFileBackend(str(file)))
    return optuna.load_study(study_name=searched.experiment_name, storage=storage)


@pytest.fixture
def by_name(study: optuna.Study) -> dict[str, FrozenTrial]:
    return {trial.user_attrs["trial"]: trial for trial in study.trials}


def test_optuna_reads_every_trial_with_its_state(study: optuna.Study, by_name: dict[str, FrozenTrial]) -> None:
    assert [trial.user_attrs["trial"] for trial in study.trials] == ORDER
    assert {name: trial.state.name for name, trial in by_name.items()} == {
        "succeeded": "COMPLETE",
        "paused": "PRUNED",
        "running": "RUNNING",
        "failed": "FAIL",
        "over": "COMPLETE",
        "tail": "COMPLETE",
        "refused": "FAIL",
        "twice": "COMPLETE",
        "new": "FAIL",
        "torn": "FAIL",
    }
    assert study.direction.name == "MAXIMIZE" and study.metric_names == ["val_accuracy"]


def test_an_average_which_has_no_parameters_is_no_trial_of_a_study(
    store: Store, searched: Spec, tmp_path: Path
) -> None:
    made = image_bundle(50)
    member = Member(key="0" * 16, epochs=3, onnx_sha256="0" * 64)
    made.fields["config"] = made.fields["config"].model_copy(update={"params": {}, "members": (member, member)})
    add_trial(store, searched, made, "average")
    file = tmp_path / "study.log"
    done = atelier("export", "optuna", searched.experiment_name, "--store", str(store.root), "--file", str(file))
    assert done.returncode == 0, done.stderr
    study = optuna.load_study(
        study_name=searched.experiment_name, storage=JournalStorage(JournalFileBackend(str(file)))
    )
    assert [trial.user_attrs["trial"] for trial in study.trials] == ORDER


def test_values_parameters_and_distributions_are_those_of_the_search(by_name: dict[str, FrozenTrial]) -> None:
    trial = by_name["paused"]
    assert (trial.value, trial.intermediate_values) == (0.5, {1: 0.25, 2: 0.5})
    assert trial.params == {"lr": 0.1, "depth": 2, "width": 16, "op": "sep,3"}
    assert trial.distributions == {
        "lr": FloatDistribution(0.01, 1, log=True),
        "depth": IntDistribution(1, 4),
        "width": CategoricalDistribution([16, 8]),
        "op": CategoricalDistribution(["conv3", "sep,3"]),
    }


def test_the_best_trial_is_the_best_within_the_budget(study: optuna.Study, by_name: dict[str, FrozenTrial]) -> None:
    assert study.best_trial.user_attrs["trial"] == "tail"
    assert study.best_params == by_name["succeeded"].params, "a tail has its parent's"
    assert by_name["over"].system_attrs["constraints"] == [0.5], "150 of 100 parameters"
    assert by_name["succeeded"].system_attrs["constraints"] == [pytest.approx(-0.9)]


def test_times_are_those_of_the_curve_and_the_card(store: Store, by_name: dict[str, FrozenTrial]) -> None:
    trial = by_name["succeeded"]
    paths = store.trial(trial.user_attrs["key"])
    first = read_curve(paths.metrics)[0]
    assert trial.datetime_start and trial.datetime_complete
    begun = datetime.fromisoformat(first.finished_at).timestamp() - first.seconds
    assert trial.datetime_start.astimezone(UTC).timestamp() == pytest.approx(begun, abs=1e-3)
    ended = datetime.fromisoformat(Card.read(paths.card).updated_at)
    assert abs(trial.datetime_complete.astimezone(UTC) - ended).total_seconds() < 2
    assert by_name["running"].datetime_complete is None


def test_what_optuna_has_no_word_for_is_an_attribute(by_name: dict[str, FrozenTrial]) -> None:
    attributes = by_name["failed"].user_attrs
    assert attributes["reason"] == "Diverged: =1+1\nat epoch 3"
    assert attributes["metrics"] == {"val_accuracy": 0.3} and attributes["params"] == 10
    assert by_name["refused"].user_attrs["parameters"] == {"lr": "9"}, "which the space does not contain"
    assert SUGGESTED.keys() == by_name["succeeded"].params.keys()
    assert "parameters" not in by_name["succeeded"].user_attrs


def test_a_study_can_be_searched_on_by_optuna(study: optuna.Study) -> None:
    before = len(study.trials)
    study.sampler = optuna.samplers.TPESampler(seed=0, n_startup_trials=1)
    trial = study.ask()
    trial.suggest_float("lr", 0.01, 1, log=True)
    study.tell(trial, 0.7)
    assert len(study.trials) == before + 1
