"""`atelier compare` names what differs, for people and for programs, and says what it does not know."""

import json
from pathlib import Path

import pytest
from atelier_store.layout import Store

from tests.support.experiments import add_curve, add_trial, begin, spec
from tests.support.onnx_bundles import configured, image_bundle
from tests.support.searches import atelier

WIDTH = {"name": "stem_width", "parameterType": "discrete"}


@pytest.fixture
def two(tmp_path: Path) -> list[str]:
    """Two searches with a trial each; the second space is larger, and its trial better."""
    store = Store(tmp_path)
    names = []
    for seed, widths in ((1, ["8"]), (2, ["8", "16"])):
        searched = spec("widths", parameters=[{**WIDTH, "feasibleSpace": {"list": widths}}])
        names.append(begin(store, searched))
        bundle = configured(image_bundle(metric=seed / 4), {"stem_width": seed * 8}, seed=0)
        key = add_trial(store, searched, bundle, f"trial-{seed}", {"stem_width": str(seed * 8)})
        add_curve(store, key, "val_accuracy", [seed / 8, seed / 4])
    return names


def compare(tmp_path: Path, *arguments: str) -> tuple[int, str, str]:
    done = atelier("compare", *arguments, "--store", str(tmp_path))
    return done.returncode, done.stdout, done.stderr


def test_two_searches_are_a_table_of_what_differs(tmp_path: Path, two: list[str]) -> None:
    code, shown, _ = compare(tmp_path, *two)
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert code == 0
    assert "experiment.parameters.stem_width added 16" in lines
    assert "best.val_accuracy raised 0.25 0.5" in lines
    assert "Trials that both have: 0" in lines
    assert lines[-4:-1] == ["─" * len(lines[-4]), "1 0.125 0.25", "2 0.25 0.5"]
    assert "epochs" not in shown.partition("Best")[0], "what is equal is not shown"


def test_programs_read_all_of_it(tmp_path: Path, two: list[str]) -> None:
    code, printed, _ = compare(tmp_path, *two, "--output", "json")
    told = json.loads(printed)
    assert (code, told["a"], told["b"]) == (0, {"search": two[0]}, {"search": two[1]})
    assert told["differences"][0] == {
        "part": "spec",
        "name": "experiment.parameters.stem_width",
        "change": "added",
        "a": None,
        "b": [16],
    }
    assert told["at_equal_cost"][-1] == {"epochs": 2, "a": 0.25, "b": 0.5} and told["same_rows"]
    code, printed, _ = compare(tmp_path, "trial-1", "trial-2", "-o", "json")
    told = json.loads(printed)
    assert told["a"].items() >= {"search": two[0], "trial": "trial-1"}.items()
    parameters = [one for one in told["differences"] if one["part"] == "parameters"]
    assert parameters == [{"part": "parameters", "name": "stem_width", "change": "raised", "a": 8, "b": 16}]


@pytest.mark.parametrize(("b", "code"), [("trial-1", 0), ("trial-2", 1)])
def test_check_fails_if_anything_differs(tmp_path: Path, two: list[str], b: str, code: int) -> None:
    assert compare(tmp_path, "trial-1", b, "--check")[0] == code
    assert compare(tmp_path, "trial-1", b)[0] == 0


def test_searches_whose_specs_mean_the_same_are_told_so(tmp_path: Path, two: list[str]) -> None:
    code, shown, _ = compare(tmp_path, two[0], two[0], "--check")
    assert code == 0
    assert shown.startswith("Nothing differs.\nThe specs say the same;")


def test_what_is_not_there_is_answered_with_what_is(tmp_path: Path, two: list[str]) -> None:
    code, _, errors = compare(tmp_path, two[0], "trial-3")
    assert code == 2
    assert "no search and no trial 'trial-3'; searches: " + ", ".join(sorted(two)) in errors
    code, _, errors = compare(tmp_path / "nowhere", *two)
    assert (code, errors.split(": ", 1)[0]) == (2, "--store")


def test_a_changed_spec_is_not_compared(tmp_path: Path, two: list[str]) -> None:
    path = Store(tmp_path).experiment(two[0]).spec
    path.write_text(path.read_text().replace('"maxEpochs": 3', '"maxEpochs": 4'))
    code, _, errors = compare(tmp_path, *two)
    assert code == 2 and errors.startswith(f"{path}: its sha256 is not that of its content")
