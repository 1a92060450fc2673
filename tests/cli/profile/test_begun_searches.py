"""A search goes on as it began: what its store knows of it comes before today's defaults."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from atelier_cli.profile import InvalidProfile, Profile, facts, load
from atelier_cli.profile.facts import ON_A_CLUSTER, ON_ONE_MACHINE
from atelier_store.layout import Store

from tests.cli.profile.sound_profile import SOUND, written


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


def test_stores_to_learn_from_that_are_none_are_said_with_all_else_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "there" / "experiments").mkdir(parents=True)
    folders = "".join(f"      - {tmp_path / name}\n" for name in ("there", "nowhere", "file", "folder"))
    learns = f"  experience:\n    enabled: true\n    stores:\n{folders}  parameters:\n"
    path = written(tmp_path, SOUND.replace("  parameters:\n", learns).replace("min: 1, max: 3", "min: 4, max: 3"))
    with pytest.raises(InvalidProfile) as caught:
        load(path, store=Store(tmp_path / "store"))
    at = "experiment.experience.stores"
    assert caught.value.violations == [
        f"{path}:9: {at}[1]: {tmp_path}/nowhere does not exist; allowed: the folder of a store",
        f"{path}:10: {at}[2]: {tmp_path}/file is no folder; allowed: the folder of a store",
        f"{path}:11: {at}[3]: {tmp_path}/folder is no store with searches: it has no folder experiments",
        f"{path}:20: experiment.parameters[1].feasibleSpace.min: 4 is more than max 3",
    ]
    assert not (tmp_path / "store").exists()
    unused = ["experiment.experience.enabled=false", "experiment.parameters[1].feasibleSpace.min=1"]
    assert load(path, unused, store=Store(tmp_path / "store")).spec.experiment.experience.stores
