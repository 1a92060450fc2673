"""Labels that a row has or has not come from columns, or an array, of 0 and 1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.trial.place import Place

LINES = [f"{row % 7},{row % 2},{row % 3},{int(row % 5 == 0)}" for row in range(30)]
HEADER = "x,red,other,round"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def given(place: Place, source: str, lines: list[str] = LINES, **more: Any) -> dict[str, Any]:
    of = place.table("\n".join([HEADER, *lines])) | {"target": ["round", "red"], "task": "multilabel"}
    return {"source": source, **of, **more}


@pytest.mark.parametrize("source", ["csv", "table"])
def test_columns_of_0_and_1_are_labels_by_their_names(place: Place, source: str) -> None:
    description, arrays = place.arrays(**given(place, source))
    assert (description.labels, description.target_names) == (("round", "red"), None)
    assert arrays.train_y.dtype == np.float32 and arrays.train_y.shape == (description.train_rows, 2)
    assert set(np.unique(arrays.train_y).tolist()) == {0.0, 1.0}


def test_labels_of_an_array_have_numbers_or_the_names_that_the_profile_gives(place: Place) -> None:
    y = np.random.default_rng(0).integers(0, 2, (30, 3))
    of = place.npz(np.arange(60.0).reshape(30, 2), y) | {"task": "multilabel"}
    assert place.prepare("npz", **of).labels == ("0", "1", "2")
    assert place.prepare("npz", **of, labels=["a", "b", "c"]).labels == ("a", "b", "c")
    assert place.refused("npz", **of, labels=["a", "b"]) == [
        "trainer.data.labels: 2 names for 3 labels; allowed: one for each"
    ]


@pytest.mark.parametrize("source", ["csv", "table"])
def test_anything_but_0_and_1_is_named_with_its_line(place: Place, source: str) -> None:
    lines = [*LINES[:3], "3,2,0,0", *LINES[4:]]
    assert place.refused(**given(place, source, lines)) == [
        "t.csv, line 5, label 'red': 2.0; there is 1 such; allowed: 0 and 1"
    ]


def test_a_label_that_no_row_has_is_refused_by_name(place: Place) -> None:
    lines = [f"{row % 7},{row % 2},{row % 3},0" for row in range(30)]
    assert place.refused(**given(place, "csv", lines)) == ["t.csv: label 'round' is 0 in every row; leave it out"]
