"""What is wrong with a table is one clear message, with its place and what to do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trial.place import Place

ROWS = "".join(f"{number % 7},{'no' if number % 3 else 'yes'}\n" for number in range(60))
TABLES = "trainer.data.source: table reads words, dates and gaps too"


@pytest.mark.parametrize(
    ("source", "content", "more", "said"),
    [
        ("csv", "a,y\n", {}, "t.csv: has no rows; allowed: a header and rows of the target and at least one number"),
        ("csv", "y\nno\nyes\n", {}, "t.csv: has no column beside 'y'; allowed: a header and rows of the target and"),
        ("csv", "a,y\n,no\n" + ROWS, {}, f"column 'a': 1 empty cell, the first at line 2; allowed: none; {TABLES}"),
        (
            "csv",
            "a,y\nx,no\n" + ROWS,
            {},
            f"'x' at line 2; allowed: numbers such as 12, -0.5 or 1e5; {TABLES}",
        ),
        (
            "csv",
            "a,y\n" + "1,2\n2,\n" * 9,
            {"task": "regression"},
            "column 'y': 9 empty cells, the first at line 3; allowed: none; leave these rows out",
        ),
        ("csv", "a,y\n" + "1,5\n2,5\n" * 9, {"task": "regression"}, "every target is 5; there is nothing to learn"),
        ("csv", "a,y\n" + "1,no\n1,yes\n" * 9, {}, "every feature is the same in every row; there is nothing to learn"),
        (
            "csv",
            "a,y\n" + ROWS,
            {"limit": 1},
            "the first 1 of trainer.data.limit: every example is of class",
        ),
        (
            "table",
            '[{"a": 1, "y": "no"}]',
            {},
            "one array of JSON; allowed: JSON lines, an object on each",
        ),
    ],
)
def test_one_message_says_what_is_wrong_and_what_is_allowed(
    place: Place, source: str, content: str, more: dict[str, Any], said: str
) -> None:
    (violation,) = place.refused(source, **place.csv(content), **more)

    assert said in violation


def test_numbers_taken_for_classes_are_one_message(place: Place) -> None:
    rows = "".join(f"{number % 7},{number / 4}\n" for number in range(60))

    (violation,) = place.refused("csv", **place.csv("a,y\n" + rows))

    assert "60 of 60 classes have too few examples: '0.0' (1), " in violation
    assert violation.endswith("numbers to predict need trainer.data.task: regression")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("Yes", "yes", "no"), ["'Yes', 'yes'"]),
        (("1", "1.0", "01", "0"), ["'01', '1', '1.0'"]),
        (("1000001", "1000002", "no"), []),
    ],
)
def test_classes_that_differ_by_spelling_alone_are_doubted(
    place: Place, words: tuple[str, ...], said: list[str]
) -> None:
    rows = "".join(f"{number % 7},{words[number % len(words)]}\n" for number in range(60))

    notes = place.prepare("csv", **place.csv("a,y\n" + rows)).notes

    assert [note for note in notes if "spelling" in note] == [
        f"classes that differ by their spelling alone: {one}; if each means one, spell it alike" for one in said
    ]


def test_a_long_text_whose_last_line_does_not_end_may_be_cut_off(place: Place) -> None:
    rows = "a,y\n" + ROWS * 5000

    cut = place.prepare("table", **place.table(rows[:-1], "cut.csv"))
    whole = place.prepare("table", **place.table(rows, "whole.csv"))

    assert "cut.csv: its last line does not end; if the file was cut off there, get it whole" in cut.notes
    assert not any("does not end" in note for note in whole.notes)


def test_what_is_wrong_with_target_columns_and_test_file_is_said_at_once(place: Place) -> None:
    rows = [
        [str(number % 7), str(number / 4), str(number * 7 % 31), "no" if number % 3 else "yes"] for number in range(60)
    ]
    rows[4][3], rows[10][0], rows[11][1], rows[12][1] = "", "old", "inf", str(2**53 + 1)
    held = [[str(number % 7), "1.5", str(number), "no"] for number in range(9)]
    held[2][2] = "many"
    files = {name: {"path": f"{name}.csv"} for name in ("train", "test")}
    for name, of in (("train", rows), ("test", held)):
        (place.folder / f"{name}.csv").write_text("a,b,c,y\n" + "".join(",".join(row) + "\n" for row in of))

    violations = place.refused("table", files=files, target="y")

    assert [violation.partition(";")[0].partition(", where")[0] for violation in violations] == [
        "train.csv: target 'y' has 1 gap: line 6",
        "train.csv, column 'a': 1 cell 'old' at line 12 among 59 numbers",
        "train.csv, column 'b': 1 cell 'inf' at line 13: infinite",
        f"train.csv, column 'b': 1 cell '{2**53 + 1}' at line 14: from 2^53 on",
        "test.csv, column 'c': 1 cell 'many' at line 4: not a number",
    ]


def test_the_rows_of_a_class_with_too_few_are_named(place: Place) -> None:
    (violation,) = place.refused("table", **place.csv("a,y\n" + ROWS + "1,ye\n2,ye\n"))

    assert violation == (
        "t.csv: class 'ye' has 2 examples; at least 3 are needed (training, validation, test): line 62, line 63"
    )
