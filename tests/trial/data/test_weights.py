"""Weights of rows come from a column or an array, are no feature, and are checked with their place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from atelier_trial.data.own_function import read

from tests.trial.place import Place

LINES = [f"{row},{row % 5},{'ab'[row % 2]},{row / 2}" for row in range(20)]
HEADER = "x,other,y,importance"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def text(*changes: tuple[int, str]) -> str:
    lines = list(LINES)
    for row, line in changes:
        lines[row] = line
    return "\n".join([HEADER, *lines])


def given(place: Place, source: str, *changes: tuple[int, str], **more: Any) -> dict[str, Any]:
    return {"source": source, **place.table(text(*changes)), "weight": "importance", **more}


@pytest.mark.parametrize("source", ["csv", "table"])
def test_a_column_of_weights_goes_with_its_rows_and_is_no_feature(place: Place, source: str) -> None:
    description, arrays = place.arrays(**given(place, source), columns={"x": "number"} if source == "table" else None)
    assert description.weight_name == "importance"
    assert "importance" not in (description.feature_names or ())
    for x, weight in ((arrays.train_x, arrays.train_weight), (arrays.test_x, arrays.test_weight)):
        assert weight is not None and weight.dtype == np.float32
        np.testing.assert_array_equal(weight, x[:, 0] / 2)


@pytest.mark.parametrize("source", ["csv", "table"])
def test_the_limit_of_examples_is_one_of_weights_too(place: Place, source: str) -> None:
    _, arrays = place.arrays(**given(place, source), limit=9)
    assert arrays.train_weight is not None and len(arrays.train_weight) == 9


def test_other_weights_are_other_data_and_none_are_as_before(place: Place) -> None:
    plain = place.prepare("csv", **place.table(text(), "plain.csv"))
    first = place.prepare(**given(place, "csv"))
    second = place.prepare(**given(place, "csv", (3, "3,3,b,7")))
    assert len({plain.digest, first.digest, second.digest}) == 3
    assert "weight_name" not in plain.model_dump()


@pytest.mark.parametrize("source", ["csv", "table"])
@pytest.mark.parametrize(("weight", "shown"), [("-1", "-1.0"), ("", "is empty"), ("1e39", "1e+39")])
def test_a_weight_that_is_none_is_named_with_its_line(place: Place, source: str, weight: str, shown: str) -> None:
    assert place.refused(**given(place, source, (3, f"3,3,b,{weight}"))) == [
        f"t.csv, line 5, weight 'importance': {shown}; there is 1 such; allowed: finite numbers from 0"
    ]


@pytest.mark.parametrize("source", ["csv", "table"])
def test_empty_weights_and_others_that_are_none_are_said_apart(place: Place, source: str) -> None:
    wrong = [(3, "3,3,b,"), (5, "5,0,b,-2"), (8, "8,3,a,")]
    assert place.refused(**given(place, source, *wrong)) == [
        "t.csv, line 5, weight 'importance': is empty; there are 2 such (line 5, line 10); allowed: finite numbers "
        "from 0",
        "t.csv, line 7, weight 'importance': -2.0; there is 1 such; allowed: finite numbers from 0",
    ]


@pytest.mark.parametrize("source", ["csv", "table"])
def test_a_weight_that_is_a_word_is_named_with_its_line(place: Place, source: str) -> None:
    [violation] = place.refused(**given(place, source, (3, "3,3,b,heavy")))
    assert "column 'importance'" in violation and "'heavy' at line 5" in violation


@pytest.mark.parametrize("source", ["csv", "table"])
@pytest.mark.parametrize(("weight", "reason"), [("none", "has no column 'none'"), ("y", "'y' is the target")])
def test_a_column_that_cannot_be_the_weight_is_refused(place: Place, source: str, weight: str, reason: str) -> None:
    [violation] = place.refused(**given(place, source) | {"weight": weight})
    assert violation.startswith("trainer.data.weight: ") and reason in violation


def test_a_weight_is_no_kind_of_column(place: Place) -> None:
    [violation] = place.refused(**given(place, "table"), columns={"importance": "category"})
    assert violation == "trainer.data.columns.importance: is the weight, which is a number"


def test_weights_that_are_all_0_are_refused(place: Place) -> None:
    changes = [(row, f"{row},0,{'ab'[row % 2]},0") for row in range(20)]
    violations = place.refused(**given(place, "csv", *changes))
    assert [line.partition(" is 0 in every row ")[2] for line in violations] == [
        "of the training; allowed: more",
        "of the test; allowed: more",
    ]


def test_an_array_of_weights_stands_beside_the_examples(place: Place) -> None:
    x, y = np.arange(40.0).reshape(20, 2), np.arange(20) % 2
    of = place.npz(x, y, x_test=x[:4], y_test=y[:4], w=x[:, 0] + 1, w_test=x[:4, 0])
    _, arrays = place.arrays("npz", **of, weight="w")
    assert arrays.train_weight is not None and arrays.test_weight is not None
    np.testing.assert_array_equal(arrays.train_weight, arrays.train_x[:, 0] + 1)
    np.testing.assert_array_equal(arrays.test_weight, arrays.test_x[:, 0])
    assert place.refused("npz", **of, weight="v") == [
        "train.npz: trainer.data.weight: 'v' is missing; allowed: numbers (20,)",
        "train.npz (x_test, y_test): trainer.data.weight: 'v' is missing; allowed: numbers (4,)",
    ]
    [violation] = place.refused("npz", **of, weight="x")
    assert violation == "trainer.data.weight: 'x' is another array; allowed: a name of its own"


def test_a_function_gives_weights_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    code = "def load():\n    return {'x': [[1.0], [2.0]], 'y': [0, 1], 'w': [1, 2]}\n"
    (tmp_path / "weighted_data.py").write_text(code)
    part = read("weighted_data:load", {}, tmp_path, "w").train
    assert part.weight is not None and part.weight.tolist() == [1, 2]
