"""What a profile comes to: from its file, what was set over it, and the chart's defaults."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from atelier_cli.profile import load
from atelier_store.spec import Spec

from tests.cli.profile.sound_profile import PROFILES, SOUND, refused, space_of, written
from tests.support import ROOT


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_profiles_of_the_project_are_sound(path: Path) -> None:
    profile = load(path)
    assert profile.spec.experiment.name == path.stem
    assert len(profile.spec.experiment_name) <= 40


def test_quickstart_is_digits_under_halving() -> None:
    spec = load(ROOT / "values" / "quickstart.yaml").spec
    assert (spec.trainer.data.source, spec.trainer.data.name) == ("sklearn", "digits")
    assert spec.experiment.algorithm.algorithm_name == "atelier"
    assert (spec.experiment.early_stopping.eta, spec.experiment.early_stopping.min_epochs) == (3, 3)


def test_fashion_mnist_names_every_file_with_its_sha256() -> None:
    spec = load(ROOT / "values" / "fashion-mnist.yaml").spec
    assert set(spec.trainer.data.files) == {"trainImages", "trainLabels", "testImages", "testLabels"}
    assert all(
        file.url and file.url.startswith("https://") and file.sha256 for file in spec.trainer.data.files.values()
    )
    assert spec.trainer.budget.params == 100_000


def test_what_the_profile_does_not_say_is_the_charts_default(tmp_path: Path) -> None:
    profile = load(written(tmp_path, SOUND))
    assert profile.spec.trainer.max_epochs == 27
    assert profile.values["storage"]["accessMode"] == "ReadWriteOnce"
    assert profile.model == "sound"


def test_names_come_from_the_file_and_the_model_from_the_server_block(tmp_path: Path) -> None:
    profile = load(written(tmp_path, SOUND.replace("  name: sound\n", ""), "my-search.yaml"), ["server.model=clothes"])
    assert (profile.spec.experiment.name, profile.model) == ("my-search", "clothes")


def test_a_file_name_that_is_no_name_needs_one_said(tmp_path: Path) -> None:
    violations = refused(written(tmp_path, SOUND.replace("  name: sound\n", ""), "My Search.yaml"))
    assert len(violations) == 1
    assert "experiment.name: is empty, and the file's name 'My Search' cannot stand for it" in violations[0]


def test_numbers_and_truth_values_become_katibs_text(tmp_path: Path) -> None:
    parameters = space_of(
        {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": 0.001, "max": "0.1"}},
        {"name": "se", "parameterType": "categorical", "feasibleSpace": {"list": [True, False]}},
        {"name": "batch", "parameterType": "discrete", "feasibleSpace": {"list": [32, "64"]}},
    )
    lr, se, batch = (p.feasible_space for p in load(written(tmp_path, SOUND), [parameters]).spec.experiment.parameters)
    assert (lr.min, lr.max, se.list, batch.list) == ("0.001", "0.1", ("true", "false"), ("32", "64"))


def test_numbers_are_read_as_helm_reads_them(tmp_path: Path) -> None:
    profile = load(written(tmp_path, SOUND), ["trainer.budget.latencyMs=1e1"])
    assert profile.spec.trainer.budget.latency_ms == 10.0


def test_anchors_may_be_used(tmp_path: Path) -> None:
    text = SOUND.replace("feasibleSpace: {min: 1, max: 3}", "feasibleSpace: &depth {min: 1, max: 3}").replace(
        "trainer:\n",
        "    - name: stage2_depth\n      parameterType: int\n"
        "      feasibleSpace:\n        <<: *depth\n        min: 0\ntrainer:\n",
    )
    depth = load(written(tmp_path, text)).spec.experiment.parameters[-1].feasible_space
    assert (depth.min, depth.max) == ("0", "3")


def test_relative_paths_stay_as_they_are_written(tmp_path: Path) -> None:
    data = "trainer.data={source: npz, kind: rows, name: null, files: {train: {path: some/x.npz}}}"
    parameters = space_of({"name": "lr", "parameterType": "double", "feasibleSpace": {"min": 0.001, "max": 0.1}})
    assert load(written(tmp_path, SOUND), [data, parameters]).spec.trainer.data.files["train"].path == "some/x.npz"


def test_set_wins_over_the_profile_with_yamls_types(tmp_path: Path) -> None:
    overrides = [
        "experiment.maxTrialCount=5",
        "trainer.network=atelier",
        "trainer.budget={params: 10}",
        "trainer.maxEpochs=null,trainer.data.validationFraction=.25",
    ]
    spec = load(written(tmp_path, SOUND), overrides).spec
    assert (spec.experiment.max_trial_count, spec.trainer.budget.params) == (5, 10)
    assert (spec.trainer.max_epochs, spec.trainer.data.validation_fraction) == (27, 0.25)


@pytest.mark.parametrize(("trials", "failed"), [(1, 1), (2, 2), (8, 3)])
def test_a_count_of_failed_trials_that_nobody_wrote_fits_the_trials(tmp_path: Path, trials: int, failed: int) -> None:
    text = SOUND.replace("  maxTrialCount: 8\n  maxFailedTrialCount: 2\n", f"  maxTrialCount: {trials}\n")
    assert load(written(tmp_path, text)).spec.experiment.max_failed_trial_count == failed


SERVED_ONLY = "experiment: {enabled: false}\nserver: {model: clothes}\n"


def test_a_cluster_may_serve_without_a_search(tmp_path: Path) -> None:
    assert load(written(tmp_path, SERVED_ONLY, "served.yaml"), laptop=False).model == "clothes"


def test_one_machine_has_nothing_to_do_without_a_search(tmp_path: Path) -> None:
    (violation,) = refused(written(tmp_path, SERVED_ONLY, "served.yaml"))
    assert "x.yaml:1: experiment.enabled: is false, so there is nothing to search" in violation


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_a_spec_survives_its_file(path: Path, tmp_path: Path) -> None:
    spec = load(path).spec
    spec.write(tmp_path / "spec.json")
    again = Spec.read(tmp_path / "spec.json")
    assert again == spec
    assert again.search_digest == spec.search_digest


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_merged_values_are_a_profile_that_comes_to_the_same(path: Path, tmp_path: Path) -> None:
    profile = load(path)
    again = load(written(tmp_path, yaml.safe_dump(profile.values)))
    assert (again.spec, again.model) == (profile.spec, profile.model)
