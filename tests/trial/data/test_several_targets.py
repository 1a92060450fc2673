"""Several columns are targets of a regression, in the order in which the profile names them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.trial.place import Place

LINES = [f"{row % 7},{row},{row % 3},{row / 2}" for row in range(20)]
HEADER = "x,high,other,low"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def given(place: Place, source: str, lines: list[str], targets: list[str]) -> dict[str, Any]:
    of = place.table("\n".join([HEADER, *lines])) | {"target": targets, "task": "regression"}
    return {"source": source, **of}


@pytest.mark.parametrize("source", ["csv", "table"])
def test_targets_are_columns_of_the_answer_and_no_features(place: Place, source: str) -> None:
    description, arrays = place.arrays(**given(place, source, LINES, ["low", "high"]))
    assert (description.target_name, description.target_names) == (None, ("low", "high"))
    assert description.feature_names == ("x", "other")
    assert arrays.train_y.shape == (description.train_rows, 2)
    np.testing.assert_array_equal(arrays.train_y[:, 1], 2 * arrays.train_y[:, 0])


@pytest.mark.parametrize("source", ["csv", "table"])
def test_a_list_of_one_is_that_one(place: Place, source: str) -> None:
    of = given(place, source, LINES, ["low"])
    assert place.prepare(**of).digest == place.prepare(**of | {"target": "low"}).digest


@pytest.mark.parametrize("source", ["csv", "table"])
def test_everything_that_is_wrong_with_the_targets_is_said_at_once(place: Place, source: str) -> None:
    violations = place.refused(**given(place, source, LINES, ["low", "none", "neither"]))
    assert [line.partition(" has no column ")[2].split(";")[0] for line in violations] == ["'none'", "'neither'"]
    words = [*LINES[:3], "3,far,0,near", *LINES[4:]]
    violations = place.refused(**given(place, source, words, ["low", "high"]))
    assert len(violations) >= 2 and all("line 5" in line for line in violations if "'near'" in line or "'far'" in line)
    same = [f"{row % 7},{row},{row % 3},1" for row in range(20)]
    assert place.refused(**given(place, source, same, ["low", "high"])) == [
        "t.csv: target 'low' is 1 in every row; leave it out"
    ]
