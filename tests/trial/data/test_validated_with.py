"""Weights, several targets and labels go with their rows into a validation file and into folds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from atelier_trial.data import parts

from tests.trial.place import Place

HEADER = "x,high,red,round,w"
ROLES = ("train", "validation", "test")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def line(row: int) -> str:
    return f"{row},{row * 2},{row % 2},{int(row % 3 == 0)},{row / 4 + 1}"


def given(place: Place, source: str, rows: int = 30, **more: Any) -> dict[str, Any]:
    """Three files whose first feature counts up, from 100 in the validation file and 200 in the test file."""
    for hundred, role in enumerate(ROLES):
        lines = [line(100 * hundred + row) for row in range(rows)]
        (place.folder / f"{role}.csv").write_text("\n".join([HEADER, *lines]))
    columns = {"x": "number"} if source == "table" else None
    files = {role: {"path": f"{role}.csv"} for role in ROLES}
    return {"source": source, "files": files, "columns": columns, **more}


@pytest.mark.parametrize("source", ["csv", "table"])
def test_weights_and_several_targets_of_a_validation_file_stay_with_its_rows(place: Place, source: str) -> None:
    of = given(place, source, target=["high", "round"], task="regression", weight="w")

    description, arrays = place.arrays(**of)

    ((training, validation),) = parts(arrays, description, 0.2, None, 0).splits
    assert arrays.train_x[validation, 0].tolist() == [100 + row for row in range(30)]
    assert arrays.train_x[training, 0].tolist() == list(range(30))
    assert arrays.train_weight is not None and arrays.test_weight is not None
    np.testing.assert_array_equal(arrays.train_weight, arrays.train_x[:, 0] / 4 + 1)
    np.testing.assert_array_equal(arrays.test_weight, arrays.test_x[:, 0] / 4 + 1)
    np.testing.assert_array_equal(arrays.train_y[:, 0], arrays.train_x[:, 0] * 2)
    np.testing.assert_array_equal(arrays.train_y[:, 1], arrays.train_x[:, 0] % 3 == 0)


@pytest.mark.parametrize("source", ["csv", "table"])
def test_labels_of_a_validation_file_are_those_of_the_training_file_and_may_be_missing_there(
    place: Place, source: str
) -> None:
    of = given(place, source, target=["red", "round"], task="multilabel")
    (place.folder / "validation.csv").write_text("\n".join([HEADER, "1,2,0,0,1", "2,4,0,0,1"]))

    description, arrays = place.arrays(**of)

    assert (description.labels, description.validation_rows) == (("red", "round"), 2)
    assert arrays.train_y[-2:].tolist() == [[0, 0], [0, 0]]


def test_an_array_of_weights_is_one_of_each_npz(place: Place) -> None:
    files: dict[str, Any] = {}
    for hundred, role in enumerate(ROLES):
        x = 100.0 * hundred + np.arange(20)
        place.npz(x[:, None], np.arange(20) % 2, f"{role}.npz", w=x + 1)
        files[role] = {"path": f"{role}.npz"}

    _, arrays = place.arrays("npz", files=files, weight="w")

    for weight, rows in ((arrays.train_weight, arrays.train_x), (arrays.test_weight, arrays.test_x)):
        assert weight is not None
        np.testing.assert_array_equal(weight, rows[:, 0] + 1)


def test_targets_of_a_validation_file_are_as_many_as_those_of_training(place: Place) -> None:
    x = np.arange(20.0)[:, None]
    place.npz(x, np.hstack([x, x]), "train.npz")
    place.npz(x, x, "validation.npz")
    files = {role: {"path": f"{role}.npz"} for role in ("train", "validation")}

    (violation,) = place.refused("npz", files=files, task="regression")

    assert violation == "validation.npz: targets have shape (20, 1); allowed: as many as in training, (20, 2)"


def test_rows_that_all_weigh_nothing_are_no_validation(place: Place) -> None:
    of = given(place, "csv", target="red", weight="w")
    (place.folder / "validation.csv").write_text("\n".join([HEADER, "1,2,0,0,0", "2,4,1,0,0"]))

    assert place.refused(**of) == [
        "train.csv: trainer.data.weight: 'w' is 0 in every row of the validation; allowed: more"
    ]


def test_a_fold_whose_rows_all_weigh_nothing_is_refused_by_its_number(place: Place) -> None:
    rows = [f"{row},{row % 2},{row // 10},{int(row // 10 > 0)}" for row in range(40)]
    of = place.table("\n".join(["x,y,group,w", *rows]), split={"by": "group", "column": "group"}, weight="w")
    place.table("x,y,group,w\n1,0,9,1\n2,1,9,1", "test.csv")
    of["files"]["test"] = {"path": "test.csv"}

    (violation,) = place.refused("table", **of, columns={"x": "number"}, folds=4)

    said, _, fold = violation.partition("'w' is 0 in every row to validate with of fold ")
    assert said == "table t.csv test.csv: trainer.data.weight: " and fold in {
        f"{n} of 4; allowed: more" for n in range(1, 5)
    }


def test_rows_with_labels_are_dealt_into_folds_whichever_they_have(place: Place) -> None:
    of = given(place, "csv", target=["red", "round"], task="multilabel", weight="w")
    del of["files"]["validation"]

    description, arrays = place.arrays(**of, folds=3)

    found = parts(arrays, description, 0.2, 3, 0)
    assert [len(validation) for _, validation in found.splits] == [10, 10, 10]
    (violation,) = place.refused(**of, folds=20)
    assert violation.startswith("trainer.data.folds: 20: in the training rows of csv train.csv test.csv, ")
    assert violation.endswith("there are 30 examples; at least 40 are needed")


@pytest.mark.parametrize("by", ["group", "time"])
def test_the_column_that_splits_is_no_weight(place: Place, by: str) -> None:
    of = given(place, "table", target="red", weight="w", split={"by": by, "column": "w"})
    del of["files"]["validation"]

    assert place.refused(**of) == ["trainer.data.weight: 'w' is trainer.data.split.column; allowed: any other column"]
