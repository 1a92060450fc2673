"""A name from outside is checked by one rule, whoever takes it, before it becomes a path."""

import json
from pathlib import Path

import pytest
from atelier_store import names
from atelier_store.errors import InvalidInput
from atelier_store.layout import Store

from tests.support import ROOT

OUTSIDE = ("", ".", "..", "../x", "../../escaped", "a/b", "/a", "a\n", "a\x00", "-a", "a-", "ä", "a b", "a" * 300)


@pytest.mark.parametrize("name", [*OUTSIDE, "Digits", "a_"])
def test_a_model_of_no_allowed_name_has_no_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput) as error:
        Store(tmp_path).model(name)
    assert error.value.violations == [f"model: {name!r} is not allowed; allowed: {names.MODEL.allowed}"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_nothing_else_leads_out_of_the_store(tmp_path: Path, name: str) -> None:
    store = Store(tmp_path)
    with pytest.raises(InvalidInput, match=r"^experiment: "):
        store.experiment(name)
    for path_of in (store.experiment("e").trial, store.experiment("e").messages):
        with pytest.raises(InvalidInput, match=r"^trial: "):
            path_of(name)
    assert not names.KEY.accepts(name) and not names.VERSION.accepts(name)


@pytest.mark.parametrize("name", ["a", "digits", "fashion-mnist.v2", "0", "a" * 63])
def test_a_model_is_called_what_was_always_allowed(tmp_path: Path, name: str) -> None:
    assert Store(tmp_path).model(name).folder == tmp_path / "models" / name


def test_a_profile_takes_the_names_that_the_rules_take() -> None:
    texts = json.loads((ROOT / "charts/katib-nas-atelier/files/facts.json").read_text())["texts"]
    assert texts["model"]["pattern"] == f"^(?:({names.MODEL.pattern})?)$"
    longest = "a" * 31
    assert names.EXPERIMENT.accepts(f"{longest}-0123abcd"), "the longest name of a profile, and its hash"
