"""Profiles: what they come to, and that everything wrong is reported at once, each at its line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import yaml
from atelier_cli.profile import InvalidProfile, Profile, facts, load
from atelier_cli.profile.facts import ALGORITHM_SETTINGS, METRICS, ON_A_CLUSTER, ON_ONE_MACHINE
from atelier_cli.profile.rules import check_builders
from atelier_store.layout import Store
from atelier_store.scores import scores
from atelier_store.spec import AlgorithmName, Kind, Parameter, Spec
from atelier_trial.default_space import default_space
from hypothesis import given
from hypothesis import strategies as st

from tests.support import ROOT

PROFILES = sorted((ROOT / "values").glob("*.yaml"))

SOUND = """\
experiment:
  name: sound
  maxTrialCount: 8
  maxFailedTrialCount: 2
  parameters:
    - name: lr
      parameterType: double
      feasibleSpace:
        min: 0.001
        max: 0.01
    - name: stage1_depth
      parameterType: int
      feasibleSpace: {min: 1, max: 3}
trainer:
  data:
    source: sklearn
    name: digits
"""


def written(folder: Path, text: str, name: str = "x.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def refused(path: Path, *overrides: str, laptop: bool = True) -> list[str]:
    with pytest.raises(InvalidProfile) as caught:
        load(path, overrides, laptop)
    return [violation.replace(str(path), "x.yaml") for violation in caught.value.violations]


def wrong(folder: Path, old: str, new: str) -> list[str]:
    """What is said of the sound profile with one piece replaced."""
    assert SOUND.count(old) == 1
    return refused(written(folder, SOUND.replace(old, new)))


def space_of(*parameters: dict[str, Any]) -> str:
    return f"experiment.parameters={json.dumps(parameters)}"


# sound profiles


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
    assert spec.trainer.budget.params == 300_000


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


# what a store knows of its search


def begun(folder: Path, store: Store, *overrides: str) -> Profile:
    """The sound profile as a store knows it, whose search it has from then on."""
    profile = load(written(folder, SOUND), overrides).begun_in(store)
    profile.spec.write(store.experiment(profile.spec.experiment_name).spec)
    return profile


def test_a_new_search_without_an_algorithm_gets_the_one_of_today(tmp_path: Path) -> None:
    spec = begun(tmp_path, Store(tmp_path / "store")).spec
    assert (spec.experiment.algorithm.algorithm_name, spec.decisions) == (ON_ONE_MACHINE, "by-epochs")
    assert load(tmp_path / "x.yaml", laptop=False).spec.experiment.algorithm.algorithm_name == ON_A_CLUSTER


def test_a_search_goes_on_by_the_rules_that_it_began_with(tmp_path: Path) -> None:
    """As 0.1.0 left it: multivariate-tpe by default, and nothing said of decisions."""
    store = Store(tmp_path / "store")
    path = written(tmp_path, SOUND)
    old = load(path, ["experiment.algorithm.algorithmName=multivariate-tpe"]).spec
    old.write(store.experiment(old.experiment_name).spec)
    assert "decisions" not in json.loads(store.experiment(old.experiment_name).spec.read_text())
    for overrides in ((), ("experiment.maxTrialCount=20",), ("experiment.algorithm.algorithmName=multivariate-tpe",)):
        spec = begun(tmp_path, store, *overrides).spec
        assert (spec.experiment_name, spec.decisions) == (old.experiment_name, "by-jobs")
        assert spec.experiment.algorithm.algorithm_name == "multivariate-tpe"
    asked = begun(tmp_path, store, "experiment.algorithm.algorithmName=atelier").spec
    assert (asked.experiment.algorithm.algorithm_name, asked.decisions) == ("atelier", "by-epochs")
    assert len(store.experiments()) == 2


def test_a_new_search_is_led_by_what_networks_cost_where_the_algorithm_takes_it(tmp_path: Path) -> None:
    def shortlist(*overrides: str, laptop: bool = True) -> tuple[str, ...] | None:
        chosen = load(written(tmp_path, SOUND), overrides, laptop=laptop).spec.experiment.shortlist
        return None if chosen is None else chosen.proxies

    assert shortlist() == ("params", "macs")
    own = facts.shortlist({"algorithm": {"algorithmName": "atelier"}}, "cells:cell", ["edge1", "lr"])
    assert own is not None and own["proxies"] == ["synflow", "params", "macs"]
    assert shortlist("experiment.shortlist.candidates=50") == ("synflow", "naswot")
    assert shortlist("experiment.shortlist=none") is None
    assert shortlist("experiment.algorithm.algorithmName=multivariate-tpe") is None
    assert shortlist(laptop=False) is None
    of_training = SOUND.replace("stage1_depth", "weight_decay")
    assert load(written(tmp_path, of_training)).spec.experiment.shortlist is None
    assert load(written(tmp_path, of_training), ["experiment.shortlist.candidates=50"]).spec.experiment.shortlist


def test_a_search_that_began_without_a_shortlist_goes_on_without(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    without = begun(tmp_path, store, "experiment.shortlist=none").spec
    assert begun(tmp_path, store).spec == without
    assert begun(tmp_path, store, "experiment.shortlist.candidates=50").spec.experiment_name != without.experiment_name


def test_how_decisions_are_made_is_no_part_of_a_searchs_name(tmp_path: Path) -> None:
    spec = load(written(tmp_path, SOUND)).spec
    assert spec.model_copy(update={"decisions": "by-epochs"}).experiment_name == spec.experiment_name


# several files


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


# --set


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


@pytest.mark.parametrize(("trials", "failed"), [(1, 1), (2, 2), (8, 3)])
def test_a_count_of_failed_trials_that_nobody_wrote_fits_the_trials(tmp_path: Path, trials: int, failed: int) -> None:
    text = SOUND.replace("  maxTrialCount: 8\n  maxFailedTrialCount: 2\n", f"  maxTrialCount: {trials}\n")
    assert load(written(tmp_path, text)).spec.experiment.max_failed_trial_count == failed


# files that are no profile


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"trainer: [1, 2", "x.yaml:1: is not YAML: expected ',' or ']', but got '<stream end>'"),
        (b"- a\n- b\n", "x.yaml:1: is not a mapping of keys to values"),
        (b"trainer:\n  seed: 1\n  seed: 2\n", "x.yaml:3: seed: is there twice; the first is on line 2"),
        (
            b"trainer:\n  seed: !!python/object:os.system {}\n",
            "x.yaml:2: is not YAML: could not determine a constructor",
        ),
        (b"a: &a\n  b: *a\n", "x.yaml:1: an alias stands inside of what it stands for"),
        (b"trainer:\n  seed: .nan\n", "x.yaml:2: trainer.seed: nan is not a finite number"),
        (b"trainer:\n  seed: !!bool many\n", "x.yaml:2: is not YAML: 'many' is no bool"),
        (b"trainer:\n  1: 2\n", "x.yaml:1: trainer: key 1 is not text; put it into quotes"),
        (b"trainer: \xff\n", "x.yaml: is not text in UTF-8"),
        (b"#" * (1 << 21), "x.yaml: is larger than 1,048,576 bytes"),
        (b"a: 1\n---\nb: 2\n", "x.yaml:2: is not YAML: but found another document"),
        (b"? [a]\n: 1\n", "x.yaml:1: is not YAML: found unhashable key"),
        (b"[" * 5000, "x.yaml: is not YAML"),
    ],
)
def test_what_is_no_profile_is_said_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    violations = refused(path)
    assert len(violations) == 1
    assert violations[0].startswith(message)
    assert "\n" not in violations[0]


def test_a_missing_file_and_a_folder_are_said_in_one_line(tmp_path: Path) -> None:
    assert refused(tmp_path / "x.yaml") == ["x.yaml: cannot be read: No such file or directory"]
    assert refused(tmp_path) == ["x.yaml: cannot be read: Is a directory"]


def test_a_small_file_cannot_unfold_into_a_huge_one(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert refused(written(tmp_path, "\n".join(lines))) == [
        "x.yaml: holds more than 50,000 values; a profile is a small file"
    ]


def test_an_empty_file_lacks_what_has_no_default(tmp_path: Path) -> None:
    assert refused(written(tmp_path, "")) == [
        "x.yaml: trainer.data.source: is missing; allowed: sklearn, npz, csv, table, images, idx, "
        "or a function of yours as module:function",
        "x.yaml (default of the chart): experiment.parameters: is empty; allowed: at least one parameter; "
        "only the built-in networks for rows have a space by default",
    ]


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


# wrong values, each at its line


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "  maxTrialCount: 8",
            "  maxTrialCont: 8",
            "x.yaml:3: experiment.maxTrialCont: unknown key; did you mean maxTrialCount? allowed: ",
        ),
        ("  data:", "  dta: 1\n  data:", "x.yaml:15: trainer.dta: unknown key; did you mean data? allowed: "),
        ("trainer:", "traner: {}\ntrainer:", "x.yaml:14: traner: unknown key; did you mean trainer? allowed: "),
        (
            "min: 0.001",
            "mim: 1\n        min: 0.001",
            "x.yaml:9: experiment.parameters[0].feasibleSpace.mim: unknown key; did you mean min?",
        ),
        (
            "  maxTrialCount: 8",
            "  maxTrialCount: many",
            'x.yaml:3: experiment.maxTrialCount: "many" is not a whole number',
        ),
        (
            "name: stage1_depth",
            "name: y",
            "x.yaml:11: experiment.parameters[1].name: true is not allowed; allowed: text; put it into",
        ),
        (
            "  maxTrialCount: 8",
            "  maxTrialCount: 1",
            "x.yaml:4: experiment.maxFailedTrialCount: 2 is more than maxTrialCount 1",
        ),
        (
            "  maxTrialCount: 8",
            "  maxTrialCount: 8\n  parallelTrialCount: 9",
            "x.yaml:4: experiment.parallelTrialCount: 9 is more than maxTrialCount 8",
        ),
        ("min: 0.001", "min: 0.5", "x.yaml:9: experiment.parameters[0].feasibleSpace.min: 0.5 is more than max 0.01"),
        (
            "        max: 0.01\n",
            "",
            "x.yaml:8: experiment.parameters[0].feasibleSpace.max: is missing where parameterType is int or double",
        ),
        (
            "min: 0.001",
            "list: [1]\n        min: 0.001",
            "x.yaml:9: experiment.parameters[0].feasibleSpace.list: unknown key; allowed: min, max",
        ),
        (
            "min: 0.001",
            "step: 0\n        min: 0.001",
            "x.yaml:9: experiment.parameters[0].feasibleSpace.step: 0 is not allowed; it must be more than 0",
        ),
        (
            "min: 0.001",
            "min: 1e999",
            "x.yaml:9: experiment.parameters[0].feasibleSpace.min: 1e999 is not a finite number",
        ),
        (
            "min: 0.001",
            "min: small",
            'x.yaml:9: experiment.parameters[0].feasibleSpace.min: "small" is not allowed; allowed: numbers',
        ),
        (
            "min: 0.001",
            "distribution: logUniform\n        min: 0",
            "x.yaml:10: experiment.parameters[0].feasibleSpace.min: 0 is not allowed with logUniform",
        ),
        (
            "min: 0.001",
            "distribution: normal\n        min: 0.001",
            'x.yaml:9: experiment.parameters[0].feasibleSpace.distribution: "normal" is not allowed; ',
        ),
        (
            "max: 0.01",
            "max: 7",
            "x.yaml:10: experiment.parameters[0].feasibleSpace.max: lr: 7 is outside of what a builder accepts",
        ),
        (
            "{min: 1, max: 3}",
            "{min: 1, max: 2.5}",
            "x.yaml:13: experiment.parameters[1].feasibleSpace.max: 2.5 is not allowed; allowed: whole numbers",
        ),
        (
            "name: stage1_depth",
            "name: lr",
            "x.yaml:11: experiment.parameters[1].name: lr is there twice; the first is experiment.parameters[0]",
        ),
        (
            "name: stage1_depth",
            "name: stage1_dept",
            "x.yaml:11: experiment.parameters[1].name: stage1_dept: unknown parameter for images; did you mean stage1_",
        ),
        (
            "parameterType: int",
            "parameterType: integer",
            'x.yaml:12: experiment.parameters[1].parameterType: "integer" is not allowed; ',
        ),
        (
            "parameterType: int",
            "parameterType: discrete",
            "x.yaml:13: experiment.parameters[1].feasibleSpace.list: is missing where parameterType is categorical",
        ),
        (
            "{min: 1, max: 3}",
            "{min: 1, max: 3, list: []}",
            "x.yaml:13: experiment.parameters[1].feasibleSpace.list: is empty; the least allowed is 1",
        ),
        (
            "name: digits",
            "name: digit",
            'x.yaml:17: trainer.data.name: "digit" is not allowed; did you mean digits? allowed: ',
        ),
        ("source: sklearn", "source: csv", "x.yaml:15: trainer.data.target: is missing where source is csv"),
        (
            "source: sklearn\n    name: digits",
            "source: images\n    files: {train: {path: x}}\n    task: multilabel",
            'x.yaml:18: trainer.data.task: "multilabel" is not allowed; allowed: classification where source is images',
        ),
        ("source: sklearn", "source: idx", "x.yaml:15: trainer.data.files.trainImages: is missing where source is idx"),
        (
            "name: digits",
            "name: digits\n    files: {train: {path: x}}",
            "x.yaml:18: trainer.data.files.train: unknown key; allowed: none where source is sklearn",
        ),
        (
            "name: digits",
            "name: digits\n  network: no_such_module:f",
            "x.yaml:18: trainer.network: 'no_such_module:f' cannot be imported",
        ),
        (
            "name: digits",
            "name: digits\n  loss: no_such_module:f",
            "x.yaml:18: trainer.loss: 'no_such_module:f' cannot be imported",
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    violations = wrong(tmp_path, old, new)
    assert [violation for violation in violations if violation.startswith(message)], violations


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("{size: [28]}", "image.size: [28] is too short; the least allowed is 2"),
        ("{size: [0, 28]}", "image.size[0]: 0 is less than 1, the least allowed"),
        ("{size: small}", 'image.size: "small" is not allowed; auto, or [height, width]'),
        ("{channels: 2}", "image.channels: 2 is not allowed; allowed: 1, 3, auto, null"),
        ("{fit: cropp}", 'image.fit: "cropp" is not allowed; did you mean crop? allowed: stretch, crop, pad, null'),
    ],
)
def test_what_pictures_cannot_become_is_named(tmp_path: Path, image: str, message: str) -> None:
    data = f"source: images\n    files: {{train: {{path: leaves}}}}\n    image: {image}"
    (violation,) = wrong(tmp_path, "source: sklearn\n    name: digits", data)
    assert message in violation


def test_only_pictures_become_something(tmp_path: Path) -> None:
    pictures, unreadable = wrong(
        tmp_path, "name: digits", "name: digits\n    image: {fit: crop}\n    onUnreadable: skip"
    )
    assert 'trainer.data.image: {"fit": "crop"} is not allowed; allowed: null where source is sklearn' in pictures
    assert 'trainer.data.onUnreadable: "skip" is not allowed; allowed: null where source is sklearn' in unreadable


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
            "experiment.parameters[0].feasibleSpace.list[1]: head: 'mean' is not allowed; allowed: avg, max, avgmax",
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
            "experiment.algorithm.algorithmSettings[0].value: gamma: '2' is not allowed; allowed: numbers above 0 and",
        ),
        (
            "experiment.algorithm.algorithmSettings=[{name: random_state, value: 1}, {name: random_state, value: 2}]",
            "experiment.algorithm.algorithmSettings[1].name: random_state is there twice",
        ),
        (
            "experiment.earlyStopping.algorithmSettings=[{name: eta, value: 2.5}]",
            "experiment.earlyStopping.algorithmSettings[0].value: eta: '2.5' is not allowed; allowed: whole numbers",
        ),
        (
            "experiment.earlyStopping.algorithmSettings=[{name: eta, value: 1}]",
            "experiment.earlyStopping.algorithmSettings[0].value: eta: '1'",
        ),
        (
            "experiment.earlyStopping.algorithmSettings=[{name: min_epochs, value: 0}]",
            "experiment.earlyStopping.algorithmSettings[0].value: min_epochs: '0'",
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


SERVED_ONLY = "experiment: {enabled: false}\nserver: {model: clothes}\n"


def test_a_cluster_may_serve_without_a_search(tmp_path: Path) -> None:
    assert load(written(tmp_path, SERVED_ONLY, "served.yaml"), laptop=False).model == "clothes"


def test_one_machine_has_nothing_to_do_without_a_search(tmp_path: Path) -> None:
    (violation,) = refused(written(tmp_path, SERVED_ONLY, "served.yaml"))
    assert "x.yaml:1: experiment.enabled: is false, so there is nothing to search" in violation


def test_everything_wrong_is_said_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        SOUND.replace("maxTrialCount: 8", "maxTrialCount: none")
        .replace("min: 0.001", "min: 0.5")
        .replace("name: stage1_depth", "nam: stage1_depth")
        .replace("name: digits", "name: digit\n  sed: 1")
    )
    violations = refused(written(tmp_path, text), "trainer.maxEpochs=0", "experiment.objective.type=minimize")
    assert [violation.partition(" is ")[0].partition(": unknown")[0] for violation in violations] == [
        '--set experiment.objective.type=minimize: experiment.objective.type: "minimize"',
        "--set trainer.maxEpochs=0: trainer.maxEpochs: 0",
        'x.yaml:3: experiment.maxTrialCount: "none"',
        "x.yaml:9: experiment.parameters[0].feasibleSpace.min: 0.5",
        "x.yaml:11: experiment.parameters[1].nam",
        "x.yaml:11: experiment.parameters[1].name:",
        'x.yaml:17: trainer.data.name: "digit"',
        "x.yaml:18: trainer.sed",
    ]


@pytest.mark.parametrize(
    "block",
    [
        "experiment",
        "trainer",
        "trainer.data",
        "trainer.data.image",
        "experiment.algorithm",
        "server",
        "experiment.parameters",
    ],
)
@pytest.mark.parametrize("value", ["5", "null", "[]", "[1]", "text", "{no: 1}"])
def test_whatever_stands_for_a_block_ends_in_a_profile_or_in_violations(tmp_path: Path, block: str, value: str) -> None:
    try:
        assert isinstance(load(written(tmp_path, SOUND), [f"{block}={value}"]), Profile)
    except InvalidProfile as error:
        assert error.violations


@given(
    st.dictionaries(
        st.sampled_from(["experiment", "trainer", "server", "data", "parameters", "name", "source", "files", "x"]),
        st.recursive(
            st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "digits", "sklearn", "lr"]),
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(
                    st.sampled_from(["data", "parameters", "name", "source", "files", "feasibleSpace", "min", "train"]),
                    inner,
                    max_size=3,
                )
            ),
            max_leaves=8,
        ),
        max_size=4,
    )
)
def test_no_values_at_all_end_in_another_exception(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]
) -> None:
    path = written(tmp_path_factory.getbasetemp(), yaml.safe_dump(values), "random.yaml")
    try:
        load(path)
    except InvalidProfile as error:
        assert all(str(path) in violation for violation in error.violations)


# the search space


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


# what comes out


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


@pytest.mark.process
def test_the_wheel_carries_the_charts_files(uv: str, tmp_path: Path) -> None:
    """Installed without a checkout, the command still has defaults and schema."""
    built = subprocess.run(
        [uv, "build", "--wheel", "--offline", "--package", "atelier-cli", "--out-dir", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path / "site")
    for name in ("values.yaml", "values.schema.json"):
        assert (tmp_path / "site" / "atelier_cli" / "chart" / name).read_bytes() == (
            ROOT / "charts" / "katib-nas-atelier" / name
        ).read_bytes()
    code = (
        "from pathlib import Path; import atelier_cli.profile; import sys; "
        "print(atelier_cli.profile.__file__); atelier_cli.profile.load(Path(sys.argv[1]))"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    run = subprocess.run(
        [sys.executable, "-c", code, PROFILES[0]],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(str(tmp_path))
