"""A shortlist is scored once: kept as it goes, taken up where it stopped, and told of."""

from pathlib import Path
from typing import Any

import pytest
from atelier_cli.search import shortlisting
from atelier_store.layout import Store
from atelier_store.records import DataDescription, ScoredNetworks
from atelier_store.spec import Spec
from atelier_trial import data

from tests.support.workplace import profile

SPACE: list[dict[str, Any]] = [
    {"name": "stem_width", "parameterType": "int", "feasibleSpace": {"min": "2", "max": "9"}},
    {"name": "stage1_depth", "parameterType": "int", "feasibleSpace": {"min": "0", "max": "2"}},
    {"name": "stage1_width", "parameterType": "discrete", "feasibleSpace": {"list": ["4", "6"]}},
    {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0.001", "max": "0.1"}},
]


def spec(candidates: int, space: list[dict[str, Any]] = SPACE) -> Spec:
    shortlist = {"candidates": candidates, "proxies": ["synflow", "params"]}
    return profile(experiment={"parameters": space, "shortlist": shortlist})


def prepared(store: Store, of: Spec) -> DataDescription:
    return data.prepare(of.trainer.data, store, store.root, None, of.trainer.seed, lambda _: None)


@pytest.mark.process
def test_networks_are_scored_once_and_a_scoring_that_was_stopped_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "store")
    monkeypatch.setattr(shortlisting, "BATCH", 8)
    of, said = spec(20), list[str | None]()
    description = prepared(store, of)

    def stop(text: str | None) -> None:
        if text and text.startswith("Shortlist: 8 of 20"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shortlisting.ensure(of, store, description, stop)
    (path,) = (store.root / "shortlists").iterdir()
    before = ScoredNetworks.read(path).networks
    assert len(before) == 8
    shortlist = shortlisting.ensure(of, store, description, said.append)
    assert shortlist.candidates[:8] == before and len(shortlist.candidates) == 20
    assert "Shortlist: 16 of 20 networks scored" in said
    assert shortlist.names == ("stem_width", "stage1_depth", "stage1_width")
    said.clear()
    assert shortlisting.ensure(of, store, description, said.append) == shortlist and not said
    # without depth the width is nothing: 8 networks, and 2 x 2 x 8 with it
    every = shortlisting.ensure(spec(100), store, description, said.append)
    assert every.candidates[:20] == shortlist.candidates and len(every.candidates) == 40
    assert said[-1] and said[-1].endswith(", which are all there are within the budget")


@pytest.mark.process
def test_slow_networks_are_scored_up_to_a_number_of_multiply_adds_and_not_of_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shortlisting, "BATCH", 5)
    monkeypatch.setattr(shortlisting, "LEAST_SCORED", 2)
    store, of, said = Store(tmp_path / "store"), spec(20), list[str | None]()
    description = prepared(store, of)
    (first,) = shortlisting.ensure(of, store, description, said.append).candidates[:1]
    assert first.macs
    (path,) = (store.root / "shortlists").iterdir()
    every = ScoredNetworks.read(path).networks
    work = [3 * (network.macs or 0) for network in every]
    monkeypatch.setattr(shortlisting, "MOST_WORK", sum(work[:6]) + 1)
    path.unlink()
    said.clear()
    assert shortlisting.ensure(of, store, description, said.append).candidates == every[:7]
    assert said[-1] and "7 networks scored" in said[-1] and " of 20: they are slow" in said[-1]
    said.clear()
    assert shortlisting.ensure(of, store, description, said.append).candidates == every[:7] and not said
    assert len(shortlisting.ensure(spec(21), store, description, said.append).candidates) == 7
    monkeypatch.setattr(shortlisting, "MOST_WORK", 1)
    assert shortlisting.ensure(of, store, description, said.append).candidates == every[:2]


def test_a_space_of_training_parameters_has_no_shortlist_and_says_so(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    said = list[str | None]()
    of = spec(20, SPACE[-1:])
    assert not shortlisting.ensure(of, store, prepared(store, of), said.append).candidates
    assert said == ["No shortlist: no parameter of the search space builds the network."]
