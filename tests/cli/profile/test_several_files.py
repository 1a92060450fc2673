"""Files laid over each other are one profile; what is wrong is named in the file that counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from atelier_cli.profile import InvalidProfile, load

from tests.cli.profile.sound_profile import SOUND, written


def test_later_files_are_laid_over_earlier_ones_and_the_first_one_names_the_search(tmp_path: Path) -> None:
    base = written(tmp_path, SOUND.replace("  name: sound\n", ""), "digits.yaml")
    other = written(
        tmp_path, "trainer:\n  maxEpochs: 9\n  data: {limit: 100}\nexperiment: {maxTrialCount: 4}\n", "other.yaml"
    )
    last = written(tmp_path, "trainer: {maxEpochs: 3}\n", "last.yaml")
    spec = load([base, other, last], ["experiment.maxTrialCount=5"]).spec
    assert (spec.experiment.name, spec.experiment.max_trial_count) == ("digits", 5)
    assert (spec.trainer.max_epochs, spec.trainer.data.name, spec.trainer.data.limit) == (3, "digits", 100)


def test_a_list_of_a_later_file_replaces_the_whole_list(tmp_path: Path) -> None:
    list_ = "experiment:\n  parameters:\n    - {name: lr, parameterType: double, feasibleSpace: {min: 0.1, max: 0.2}}\n"
    spec = load([written(tmp_path, SOUND), written(tmp_path, list_, "y.yaml")]).spec
    assert [parameter.name for parameter in spec.experiment.parameters] == ["lr"]


def test_every_violation_names_the_file_and_the_line_where_the_value_that_counts_is(tmp_path: Path) -> None:
    base = written(tmp_path, SOUND.replace("maxTrialCount: 8", "maxTrialCount: 0").replace("digits", "cats"), "a.yaml")
    over = written(tmp_path, "trainer:\n  maxEpochs: 0\n  data:\n    limit: -1\n", "b.yaml")
    with pytest.raises(InvalidProfile) as caught:
        load([base, over])
    places = [violation.replace(f"{tmp_path}/", "").partition(": ")[0] for violation in caught.value.violations]
    assert places == ["a.yaml:3", "a.yaml:17", "b.yaml:2", "b.yaml:4"]
    mended = written(
        tmp_path, "experiment: {maxTrialCount: 4}\ntrainer: {maxEpochs: 2, data: {limit: 9, name: wine}}\n"
    )
    assert load([base, over, mended])


def test_what_lacks_in_a_list_that_replaced_another_is_not_said_of_the_other_file(tmp_path: Path) -> None:
    over = "\nexperiment:\n  parameters: [{name: lr, parameterType: double, feasibleSpace: {max: 0.01}}]\n"
    with pytest.raises(InvalidProfile) as caught:
        load([written(tmp_path, SOUND, "a.yaml"), written(tmp_path, over, "b.yaml")])
    assert all(v.startswith(str(tmp_path / "b.yaml:3")) for v in caught.value.violations), caught.value.violations


def test_every_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidProfile) as caught:
        load([tmp_path / "none.yaml", written(tmp_path, SOUND), written(tmp_path, "a: [", "torn.yaml")])
    assert [Path(violation.partition(":")[0]).name for violation in caught.value.violations] == [
        "none.yaml",
        "torn.yaml",
    ]
