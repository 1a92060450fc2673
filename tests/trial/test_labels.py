"""Labels are names or numbers of any kind; each example has one, and the profile's names are given in their order."""

from __future__ import annotations

import numpy as np
import pytest

from tests.trial.place import Place

FEATURES = np.random.default_rng(0).normal(size=(30, 4))
CLASSES = np.arange(30) % 3


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([1, 2, 3], ("1", "2", "3")),
        ([-1, 0, 1], ("-1", "0", "1")),
        ([0, 10, 9], ("0", "9", "10")),
        ([5, 10**12, 3 * 10**12], ("5", "1000000000000", "3000000000000")),
        ([-10.0, -9.0, 2.0], ("-10", "-9", "2")),
        (np.array([0, 2**63, 2**64 - 1], np.uint64), ("0", str(2**63), str(2**64 - 1))),
    ],
)
def test_class_numbers_that_are_not_0_1_2_are_names_in_their_order(
    place: Place, values: list[float] | list[int] | np.ndarray, names: tuple[str, ...]
) -> None:
    y = np.asarray(values)[CLASSES]
    description, arrays = place.arrays("npz", **place.npz(FEATURES, y, x_test=FEATURES, y_test=y))
    assert description.labels == names
    assert [int(names[number]) for number in arrays.train_y] == [int(value) for value in y]
    np.testing.assert_array_equal(arrays.test_y, arrays.train_y)


def test_labels_that_differ_in_every_row_are_refused_at_once(place: Place) -> None:
    (violation,) = place.refused("npz", **place.npz(FEATURES, np.arange(30) + 10**12))
    assert "30 of 30 classes have too few examples: '1000000000000' (1), " in violation


def test_a_class_of_the_test_set_alone_is_refused(place: Place) -> None:
    data = place.npz(FEATURES, CLASSES + 1, x_test=FEATURES, y_test=CLASSES + 2)
    (violation,) = place.refused("npz", **data)
    assert "label '4' is unknown; there are 10 such (row 2, row 5" in violation
    assert violation.endswith("and 5 more); allowed: 1, 2, 3")


def csv_of(cells: list[str]) -> str:
    return "a,y\n" + "".join(f"{number},{cell}\n" for number, cell in enumerate(cells))


@pytest.mark.parametrize(
    ("cells", "labels", "expected"),
    [
        (["0", "1"], ["died", "survived"], ["died", "survived"]),
        (["1", "2"], ["one", "two"], ["one", "two"]),
        (["-1", "1"], ["negative", "positive"], ["negative", "positive"]),
        (["1.0", "0.0"], ["died", "survived"], ["survived", "died"]),
        (["10", "9"], ["nine", "ten"], ["ten", "nine"]),
        (["1", "0"], ["1", "0"], ["1", "0"]),
        (["2", "1"], ["2", "1"], ["2", "1"]),
        (["hi", "lo"], ["lo", "hi"], ["hi", "lo"]),
    ],
)
def test_labels_of_a_csv_are_its_names_or_name_its_numbers_in_their_order(
    place: Place, cells: list[str], labels: list[str], expected: list[str]
) -> None:
    description, arrays = place.arrays("csv", **place.csv(csv_of(cells * 10)), labels=labels)
    assert description.labels == tuple(labels)
    named = [labels[number] for number in arrays.train_y]
    assert named == [expected[int(a) % 2] for a in arrays.train_x[:, 0]]


@pytest.mark.parametrize(
    ("values", "labels", "expected"),
    [
        ([0, 1, 2], ["2", "1", "0"], ["2", "1", "0"]),  # numbers from 0 are places in the list
        ([1, 2, 3], ["3", "2", "1"], ["1", "2", "3"]),
        ([1, 2, 3], ["a", "b", "c"], ["a", "b", "c"]),
    ],
)
def test_labels_of_arrays_name_their_numbers_in_their_order(
    place: Place, values: list[int], labels: list[str], expected: list[str]
) -> None:
    y = np.array(values)[CLASSES]
    _, arrays = place.arrays("npz", **place.npz(FEATURES, y, x_test=FEATURES, y_test=y), labels=labels)
    assert [labels[number] for number in arrays.train_y] == [expected[number] for number in CLASSES]


def test_numbers_that_are_more_than_the_labels_are_refused(place: Place) -> None:
    (violation,) = place.refused("csv", **place.csv(csv_of(["0", "1", "2"] * 9)), labels=["a", "b"])
    assert "line 4: label '2' is unknown; there are 9 such" in violation
    assert violation.endswith("allowed: 0, 1")


def test_examples_without_a_label_are_refused_with_their_lines(place: Place) -> None:
    (violation,) = place.refused("csv", **place.csv(csv_of(["", "hi", " ", "lo"] * 9)))
    assert (
        "t.csv, line 2: no label; there are 18 such (line 2, line 4, line 6, line 8, line 10 and 13 more)" in violation
    )
    (violation,) = place.refused("npz", **place.npz(FEATURES, np.array(["a", "", "b"])[CLASSES]))
    assert "row 1: no label; there are 10 such" in violation


@pytest.mark.parametrize("dtype", ["U", "S"])
def test_labels_in_two_unicode_spellings_are_one_class(place: Place, dtype: str) -> None:
    spellings = np.array(["caf\u00e9", "cafe\u0301", "the"])
    y = spellings if dtype == "U" else np.array([text.encode() for text in spellings])
    description, _ = place.arrays("npz", **place.npz(FEATURES, y[CLASSES]), labels=["the", "cafe\u0301"])
    assert description.labels == ("the", "caf\u00e9")


@pytest.mark.parametrize(("rows", "fractions", "left"), [(3, {}, 1), (4, {"testFraction": 0.5}, 1), (1, {}, 1)])
def test_a_regression_with_too_few_rows_to_train_on_is_refused_with_the_data(
    place: Place, rows: int, fractions: dict[str, float], left: int
) -> None:
    data = place.csv("a,y\n" + "".join(f"{number},{number / 7}\n" for number in range(rows)))
    (violation,) = place.refused("csv", **data, task="regression", **fractions)
    assert f"t.csv: {left} left to train on" in violation or "nothing to learn" in violation


def test_a_share_for_validation_that_leaves_too_few_rows_is_refused_for_prepared_data_too(place: Place) -> None:
    data = place.csv("a,y\n" + "".join(f"{number},{number / 7}\n" for number in range(9)))
    assert place.prepare("csv", **data, task="regression").train_rows == 7
    (violation,) = place.refused("csv", **data, task="regression", validationFraction=0.9)
    assert "1 left to train on beside 6 to validate" in violation


@pytest.mark.parametrize("missing", ["nan", "NaN", "NA", "None", "null", "?"])
def test_a_class_that_looks_like_a_missing_label_is_pointed_at(place: Place, missing: str) -> None:
    description = place.prepare("csv", **place.csv(csv_of([missing, "hi", "lo"] * 9)))
    assert f"classes called {missing}: if that means no label, leave these examples out" in description.notes


UNSEEN = ["\u200b", "\ufeff", "\u200f\u2060", "\u00a0\u00ad"]


@pytest.mark.parametrize("unseen", UNSEEN)
@pytest.mark.parametrize("source", ["csv", "table"])
def test_a_label_of_which_nobody_sees_anything_is_no_label(place: Place, source: str, unseen: str) -> None:
    rows = "".join(f"{row % 7},{label}\n" for row, label in enumerate(["hi", "lo", unseen] * 9))
    (violation,) = place.refused(source, **place.csv("a,y\n" + rows))
    assert violation.startswith("t.csv, line 4: no label; there are 9 such")
    numbers = place.csv("a,y\n" + "".join(f"{row % 7},{row % 2}\n" for row in range(18)))
    assert place.refused(source, **numbers, labels=["no", unseen]) == [
        "trainer.data.labels: some are empty; allowed: a name for each class"
    ]


@pytest.mark.parametrize("unseen", UNSEEN)
@pytest.mark.parametrize("source", ["csv", "table"])
def test_a_column_of_which_nobody_sees_the_name_has_none(place: Place, source: str, unseen: str) -> None:
    rows = "".join(f"{row},{row % 7},{row % 2}\n" for row in range(18))
    (violation,) = place.refused(source, **place.csv(f"{unseen},b,y\n" + rows))
    assert "columns without a name: 1 (column 1)" in violation


@pytest.mark.parametrize("source", ["csv", "table"])
def test_characters_that_nobody_sees_in_names_are_pointed_out(place: Place, source: str) -> None:
    rows = "".join(f"{row},{row % 7},{'lo' if row % 2 else 'lo' + UNSEEN[0]}\n" for row in range(18))
    notes = place.prepare(source, **place.csv(f"a,a{UNSEEN[0]},y\n" + rows)).notes
    assert "classes that differ by their spelling alone: 'lo', 'lo\\u200b'; if each means one, spell it alike" in notes
    assert "columns with characters that nobody sees: 'a\\u200b'; requests must have them too" in notes


@pytest.mark.parametrize(
    ("labels", "alike"),
    [
        (["1e3", "1000", "2"], "'1000', '1e3'"),
        (["0.50", "0.5", "1"], "'0.5', '0.50'"),
        (["-0.0", "0", "1"], "'-0.0', '0'"),
        (["\uff11", "1", "2"], "'1', '\uff11'"),
        (["1e9999999", "1", "2"], None),
        (["12345678901234567890121", "12345678901234567890122", "2"], None),
    ],
)
def test_numbers_that_are_the_same_are_classes_that_differ_by_spelling(
    place: Place, labels: list[str], alike: str | None
) -> None:
    notes = " ".join(place.prepare("csv", **place.csv(csv_of(labels * 9))).notes)
    assert (f"by their spelling alone: {alike}; " in notes) if alike else ("spelling" not in notes)
