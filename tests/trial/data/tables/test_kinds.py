"""What a column is, is found by looking, or as the profile says; its cells become features accordingly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from atelier_store import tables

from tests.trial.data.tables.rows import HEADER, TABLE, lines
from tests.trial.place import Place


def of(cells: list[str], count: int = 30) -> str:
    """A table of the column x, whose cells these are in turns, beside a number."""
    return "x,n,y\n" + "".join(f"{cells[row % len(cells)]},{row % 7},{int(row % 5 > 2)}\n" for row in range(count))


@pytest.mark.parametrize(
    ("cells", "kind", "levels"),
    [
        (["1", "2.5", "", "NA"], "number", ()),
        (["3", "1", "2"], "number", ()),
        (["True", "false", "TRUE"], "category", ("false", "true")),
        (["red", " blue ", "n/a", "?"], "category", ("blue", "red")),
        (["007", "008", "010"], "category", ("007", "008", "010")),
        (["10", "9", "A1"], "category", ("10", "9", "A1")),
        (["2020-02-29", "2020-03-01 12:30", "2020-03-01T12:30:59.5Z"], "date", ()),
        (["2020-03-01 12:30:00+02:00", "null"], "date", ()),
        (["31.12.2020", "1.2.2020"], "date", ()),
        (["12/31/2020 1:05 PM", "1/2/2020 11:00 am"], "date", ()),
        (["31 Dec 2020", "1 Feb 2020"], "date", ()),
        (["12:30", "13:30"], "category", ("12:30", "13:30")),
    ],
)
def test_a_kind_is_found_by_looking(place: Place, cells: list[str], kind: str, levels: tuple[str, ...]) -> None:
    column = place.columns(of(cells))["x"]
    assert (column.kind, column.levels) == (kind, levels)


def test_features_are_values_level_numbers_and_parts_of_dates(place: Place) -> None:
    text = "a,b,d,y\n" + "".join(
        f"{['1.5', 'NA'][row % 2]},{['x', '', 'y'][row % 3]},{['2020-02-29 13:59', ''][row % 2]},{row // 15}\n"
        for row in range(30)
    )
    described, arrays = place.arrays("table", **place.table(text))
    whole = np.concatenate([arrays.train_x, arrays.test_x])
    rows = {tuple(map(str, row)) for row in whole.tolist()}
    assert described.kind == "rows" and described.shape == (7,) and described.feature_names == ("a", "b", "d")
    assert ("1.5", "2.0", "2020.0", "2.0", "29.0", "6.0", "13.0") in rows
    assert ("nan", "0.0", "nan", "nan", "nan", "nan", "nan") in rows


def test_numbers_alone_are_a_table_of_columns_too(place: Place) -> None:
    assert [
        one.kind
        for one in place.columns("a,b,y\n" + "".join(f"{i % 7},,{i % 2}\n{i % 5},1,1\n" for i in range(30))).values()
    ] == ["number", "number"]


@pytest.mark.parametrize(
    ("cells", "said", "kind", "levels"),
    [
        (["1", "2", "10"], "category", "category", ("1", "2", "10")),
        (["1.0", "1", "2.5"], "category", "category", ("1", "2.5")),
        (["007", "8"], "number", "number", ()),
        (["1/2/2020", "13/2/2020"], "category", "category", ("1/2/2020", "13/2/2020")),
    ],
)
def test_the_profile_says_what_a_column_is(
    place: Place, cells: list[str], said: str, kind: str, levels: tuple[str, ...]
) -> None:
    column = place.columns(of(cells), columns={"x": said})["x"]
    assert (column.kind, column.levels) == (kind, levels)


def test_a_column_may_be_dropped_and_may_then_hold_anything(place: Place) -> None:
    assert list(place.columns(of(["1", "x", "2"] * 10 + ["inf"]), columns={"x": "drop"})) == ["n"]


def test_declared_texts_alone_mean_a_gap(place: Place) -> None:
    data = place.table(of(["red", "NA", "Unknown"]), table={"missing": ["unknown"]})
    assert (place.prepare("table", **data).columns or ())[0].levels == ("NA", "red")


def test_labels_have_one_spelling(place: Place) -> None:
    labels = ["1.0", " 1 ", '"1"', "0", "-2.0"]
    text = "a,y\n" + "".join(f"{row % 7},{labels[row % 5]}\n" for row in range(40))
    assert place.prepare("table", **place.table(text)).labels == ("-2", "0", "1")


def test_words_of_both_unicode_spellings_are_one_level(place: Place) -> None:
    assert place.columns(of(["caf\u00e9", "cafe\u0301", "tea"]))["x"].levels == ("caf\u00e9", "tea")


def test_the_test_file_is_read_as_the_training_file(place: Place) -> None:
    place.table("y,b,a\nno,violet,NA\nyes,red,7\n", name="test.csv")
    data = place.table(TABLE)
    data["files"]["test"] = {"path": "test.csv"}
    described, arrays = place.arrays("table", **data)
    np.testing.assert_array_equal(arrays.test_x, np.array([[np.nan, 1], [7, 4]], np.float32))
    assert described.notes == ("test.csv: column 'b': in 1 row, words that no training row has: 'violet'",)


def test_a_target_of_numbers_is_read_as_numbers_are(place: Place) -> None:
    text = "a;y\n" + "".join(f"{row % 7};1.{row:03},5\n" for row in range(30))
    _, arrays = place.arrays("table", **place.table(text), task="regression")
    assert arrays.train_y.min() >= 1000.5 and arrays.train_y.shape == (24, 1)


@pytest.mark.parametrize(
    ("extra", "more", "part"),
    [
        (
            "unknown,red,no\nnone,red,no\n",
            {},
            "'unknown' at line 42 among 40 numbers; if that means a gap, write trainer.data.table.missing: [unknown]",
        ),
        ("inf,red,no\n-Infinity,red,no\n", {}, "2 cells, first 'inf' at line 42: infinite"),
        ("9007199254740993,red,no\n", {}, "'9007199254740993' at line 42: from 2^53 on"),
        ("1,red,\n2,red,NA\n", {}, "t.csv: target 'y' has 2 gaps: line 42, line 43; leave these rows out"),
        ("1,red,other\n", {}, "class 'other' has 1 example"),
        ("", {"columns": {"zip": "category"}}, "trainer.data.columns: t.csv has no 'zip'; allowed: a, b, y"),
        ("", {"columns": {"y": "number"}}, "trainer.data.columns.y: is the target"),
        ("", {"columns": {"b": "number"}}, "40 cells, first 'red' at line 2: not a number"),
        ("", {"columns": {"b": "date"}}, "40 cells, first 'red' at line 2: not a date"),
        ("", {"columns": {"a": "drop", "b": "drop"}}, "no column is left to learn from"),
        ("", {"task": "regression"}, "column 'y': 40 cells, first 'no' at line 2: not a number"),
        ("", {"target": "z"}, "trainer.data.target: t.csv has no column 'z'; allowed: a, b, y"),
        ("", {"kind": "images"}, "trainer.data.kind: is images; allowed for a table: rows or auto"),
        ("1e39,red,no\n", {}, "t.csv, line 42, column 'a': 1e+39 is not a finite float32 number"),
    ],
)
def test_what_cannot_be_a_column_is_refused_with_its_line(
    place: Place, extra: str, more: dict[str, Any], part: str
) -> None:
    violations = place.refused("table", **place.table(TABLE + extra, **more))
    assert any(part in violation for violation in violations), violations


def test_dates_that_may_be_read_in_two_ways_are_refused(place: Place) -> None:
    (violation,) = place.refused("table", **place.table(of(["1/2/2020", "3/4/2020"])))
    assert "column 'x': '1/2/2020' may be day or month first" in violation


def test_one_date_that_is_none_is_refused_with_its_line(place: Place) -> None:
    text = "x,n,y\n" + "".join(f"2020-01-{row + 1:02},{row % 7},{row % 2}\n" for row in range(30)) + "2020-02-31,1,1\n"
    (violation,) = place.refused("table", **place.table(text))
    assert "t.csv, column 'x': 1 cell '2020-02-31' at line 32: not a date" in violation


def test_everything_that_is_wrong_with_columns_is_said_at_once(place: Place) -> None:
    text = "a,b,c,y\n" + "".join(f"{row},{row},{row},{row % 2}\n" for row in range(2, 40)) + "x,inf,2020-01-01,1\n"
    violations = place.refused("table", **place.table(text))
    assert [violation.split(":")[0] for violation in violations] == [f"t.csv, column {name!r}" for name in "abc"]


def test_columns_that_differ_in_the_test_file_are_named(place: Place) -> None:
    place.table("a,c,y\n1,2,no\n", name="test.csv")
    data = place.table(TABLE)
    data["files"]["test"] = {"path": "test.csv"}
    (violation,) = place.refused("table", **data)
    assert violation.startswith("test.csv: of the training file's columns it lacks b; has besides: c")


def test_float32_looks_at_what_is_given_of_a_number(place: Place) -> None:
    text = "a,b,y\n" + "".join(f"{1.7e9 + row if row % 3 else ''},{row % 5},{row % 2}\n" for row in range(60))
    (violation,) = place.refused("table", **place.table(text))
    assert "t.csv, column 'a': float32" in violation and "subtract" in violation


def test_a_refused_table_leaves_no_prepared_data(place: Place) -> None:
    place.refused("table", **place.table(HEADER + lines() + "inf,red,no\n"))
    assert not list(place.store.root.rglob("*.np*")) and not list(place.store.root.rglob("*.json"))


def test_the_texts_that_mean_a_gap_are_kept_for_the_service(place: Place) -> None:
    text = "a,y\n" + "".join(f"{number if number % 5 else '?'},{number % 2}\n" for number in range(60))
    declared = place.prepare("table", **place.csv(text), table={"missing": ["?", " Unknown "]})
    usual = place.prepare("table", **place.csv(text))

    assert declared.missing == ("?", "unknown")
    assert usual.missing == tables.GAPS
    assert declared.digest != usual.digest
