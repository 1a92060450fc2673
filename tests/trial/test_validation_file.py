"""Rows of a validation file are those that trials are scored on, as they are, and pass the checks of a test file."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from atelier_trial.data import Arrays, Prepared, parts
from PIL import Image

from tests.trial.place import Place

SIZES = {"train": 30, "validation": 9, "test": 6}
WORDS = ("no", "yes")


def written(place: Place, source: str, *roles: str) -> dict[str, Any]:
    """Files of rows whose first feature is their number, 100 and on in the validation file, 200 in the test file."""
    files: dict[str, Any] = {}
    for hundred, role in enumerate(SIZES):
        if role in roles:
            files |= _file(place, source, role, 100 * hundred + np.arange(SIZES[role]))
    columns = {"a": "number"} if source == "table" else None  # which counts up, and would be left out
    return {"files": files, "target": "y" if source in ("csv", "table") else None, "columns": columns}


def _file(place: Place, source: str, role: str, numbers: np.ndarray) -> dict[str, Any]:
    y = numbers % 2
    if source == "npz":
        place.npz(numbers[:, None] * [1.0, 2.0], y, f"{role}.npz")
        return {role: {"path": f"{role}.npz"}}
    if source == "idx":
        pixels = np.repeat(numbers.astype(np.uint8), 4).reshape(-1, 2, 2)
        for name, array in (("Images", pixels), ("Labels", y.astype(np.uint8))):
            head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
            (place.folder / f"{role}{name}").write_bytes(head + array.tobytes())
        return {f"{role}{name}": {"path": f"{role}{name}"} for name in ("Images", "Labels")}
    rows = [f"{number},{WORDS[word]}" for number, word in zip(numbers, y, strict=True)]
    (place.folder / f"{role}.csv").write_text("\n".join(["a,y", *rows]) + "\n")
    return {role: {"path": f"{role}.csv"}}


def first_features(description: Prepared, arrays: Arrays) -> tuple[list[float], list[float], list[float]]:
    """Of the rows for training, validation and testing."""
    ((training, validation),) = parts(arrays, description, 0.2, None, 0).splits
    of = arrays.train_x[training], arrays.train_x[validation], arrays.test_x
    train, held, test = (part.reshape(len(part), -1)[:, 0].tolist() for part in of)
    return train, held, test


@pytest.mark.parametrize("source", ["npz", "idx", "csv", "table"])
def test_each_part_is_its_file_as_it_is(place: Place, source: str) -> None:
    description, arrays = place.arrays(source, **written(place, source, *SIZES))

    expected = tuple([100 * hundred + row for row in range(size)] for hundred, size in enumerate(SIZES.values()))
    assert first_features(description, arrays) == expected
    assert (description.train_rows, description.validation_rows, description.test_rows) == (39, 9, 6)


def test_without_a_test_file_only_training_rows_become_the_test(place: Place) -> None:
    description, arrays = place.arrays("csv", **written(place, "csv", "train", "validation"), limit=20)

    train, held, test = first_features(description, arrays)

    assert held == [100 + row for row in range(9)]
    assert len(train) == 20 and len(test) == 6 and not set(train) & set(test)
    assert max(train + test) < 100


def test_levels_are_those_of_the_training_file_and_others_are_unseen_with_a_note(place: Place) -> None:
    place.table("w,y\n" + "a,1\nb,0\na,0\n" * 14, "train.csv")
    place.table("w,y\n" + "a,1\nc,0\n" * 9, "validation.csv")
    files = {role: {"path": f"{role}.csv"} for role in ("train", "validation")}

    description, arrays = place.arrays("table", files=files, target="y")

    assert description.columns is not None and description.columns[0].levels == ("a", "b")
    assert set(arrays.train_x[-18:, 0].tolist()) == {1, 2}
    assert "validation.csv: column 'w': in 9 rows, words that no training row has: 'c'" in description.notes


def test_the_same_rows_split_by_a_file_are_other_data_than_drawn(place: Place) -> None:
    both = written(place, "csv", "train", "test")
    together = written(place, "csv", *SIZES)
    (place.folder / "all.csv").write_text(
        (place.folder / "train.csv").read_text() + (place.folder / "validation.csv").read_text().partition("\n")[2]
    )
    both["files"]["train"] = {"path": "all.csv"}

    drawn, given = place.arrays("csv", **both), place.arrays("csv", **together)

    np.testing.assert_array_equal(drawn[1].train_x, given[1].train_x)
    assert drawn[0].digest != given[0].digest


def test_everything_wrong_with_the_files_beside_the_training_file_is_said_at_once(place: Place) -> None:
    data = written(place, "csv", *SIZES)
    (place.folder / "validation.csv").write_text("b,y\n1,no\n")
    (place.folder / "test.csv").write_text("a,c,y\n1,2,no\n")

    violations = "\n".join(place.refused("csv", **data))

    assert "validation.csv: of the training file's columns it lacks a; has besides: b" in violations
    assert "test.csv: of the training file's columns it lacks none; has besides: c" in violations


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("1,maybe\n", "validation.csv, line 2: label 'maybe' is unknown; there is 1 such; allowed: no, yes"),
        ("x,no\n", "validation.csv: column 'a' is not numeric: 1 cell, the first is 'x' at line 2"),
        ("", "validation.csv: has no rows; allowed: a header and rows of the target and at least one number"),
    ],
)
def test_a_validation_file_that_does_not_fit_is_refused(place: Place, rows: str, said: str) -> None:
    data = written(place, "csv", *SIZES)
    (place.folder / "validation.csv").write_text("a,y\n" + rows)

    assert said in "\n".join(place.refused("csv", **data))


def test_pictures_of_a_validation_file_need_their_labels(place: Place) -> None:
    data = written(place, "idx", *SIZES)
    del data["files"]["validationLabels"]

    assert place.refused("idx", **data) == ["trainer.data.files.validationLabels: missing; source idx needs it"]


def photos(place: Place, role: str, shades: dict[str, int], size: int = 4, count: int = 6) -> dict[str, Any]:
    """A folder with pictures of one shade for each class."""
    for label, shade in shades.items():
        folder = place.folder / role / label
        folder.mkdir(parents=True)
        for number in range(count):
            Image.fromarray(np.full((size, size), shade + number, np.uint8)).save(folder / f"{number}.png")
    return {role: {"path": role}}


def test_a_folder_of_pictures_is_validated_with_in_the_size_and_the_classes_of_training(place: Place) -> None:
    files = photos(place, "train", {"dark": 10, "light": 200})
    files |= photos(place, "validation", {"light": 220, "dark": 30}, size=8, count=2)
    files |= photos(place, "test", {"dark": 50, "light": 240}, count=3)

    description, arrays = place.arrays("images", files=files)

    train, held, test = first_features(description, arrays)
    assert (sorted(train)[::6], sorted(held), sorted(test)) == (
        [10, 200],
        [30, 31, 220, 221],
        [50, 51, 52, 240, 241, 242],
    )
    assert arrays.train_y[-4:].tolist() == [int(shade > 100) for shade in held]
    assert "validation: 4 of 4 pictures of height x width 8 x 8: stretched to 4 x 4" in description.notes


def test_pictures_to_validate_with_may_have_a_table_of_labels(place: Place) -> None:
    files = photos(place, "train", {"dark": 10, "light": 200}) | photos(place, "validation", {"all": 30}, count=2)
    (place.folder / "v.csv").write_text("path,label\nall/0.png,light\nall/1.png,dark\n")

    description, arrays = place.arrays("images", files=files | {"validationLabels": {"path": "v.csv"}})

    _, held, _ = first_features(description, arrays)
    assert dict(zip(held, arrays.train_y[-2:].tolist(), strict=True)) == {30: 1, 31: 0}


def test_pictures_to_validate_with_of_an_unknown_class_or_that_cannot_be_read_are_named(place: Place) -> None:
    files = photos(place, "train", {"dark": 10, "light": 200}) | photos(place, "validation", {"odd": 30}, count=1)

    (violation,) = place.refused("images", files=files)

    said = "validation, odd/0.png: label 'odd' is unknown; there is 1 such; allowed: dark, light"
    assert violation == said
    (place.folder / "validation/odd/1.png").write_bytes(b"torn")
    (violation,) = place.refused("images", files=files)
    assert violation.startswith(f"{place.folder}/validation: odd/1.png: ")


def test_a_table_of_labels_without_its_pictures_is_refused(place: Place) -> None:
    files = photos(place, "train", {"dark": 10, "light": 200}) | {"validationLabels": {"path": "v.csv"}}

    assert place.refused("images", files=files) == [
        "trainer.data.files.validation: missing; validationLabels are of it"
    ]
