"""A CSV is read as the server reads one, and whatever is wrong with it is said at once."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from tests.trial.place import Place

ROWS = "".join(f"{number}, {number / 2}, {'yes' if number % 2 else 'no'}\n" for number in range(20))


def test_quoted_names_and_a_byte_order_mark_are_no_part_of_the_names(place: Place) -> None:
    data = place.csv('\ufeff"a b", "c", y\n\n' + ROWS)
    description, arrays = place.arrays("csv", **data)
    assert (description.feature_names, description.target_name) == (("a b", "c"), "y")
    np.testing.assert_array_equal(arrays.train_x[:, 0], arrays.train_x[:, 1] * 2)


def test_columns_of_the_test_file_may_come_in_another_order(place: Place) -> None:
    data = place.csv("a,b,y\n" + ROWS)
    (place.folder / "test.csv").write_text("y,b,a\nno,1,2\nyes,3,6\n")
    data["files"]["test"] = {"path": "test.csv"}
    _, arrays = place.arrays("csv", **data)
    assert arrays.test_x.tolist() == [[2, 1], [6, 3]]
    (place.folder / "test.csv").write_text("y,c,a\nno,1,2\nyes,3,6\n")
    (violation,) = place.refused("csv", **data)
    assert "lacks b; has besides: c" in violation


def test_a_target_and_columns_are_found_in_both_unicode_spellings(place: Place) -> None:
    data = place.csv("a,b,caf\u00e9\n" + ROWS)
    (place.folder / "test.csv").write_text("cafe\u0301,a,b\nno,1,2\n")
    data["files"]["test"] = {"path": "test.csv"}
    description = place.prepare("csv", **data | {"target": "cafe\u0301"})
    assert (description.target_name, description.test_rows) == ("caf\u00e9", 1)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (",a,y\n0,1,b\n", "t.csv: columns without a name: 1 (column 1); allowed: a name for each column"),
        ("a, ,y,\n0,1,b,\n", "columns without a name: 2 (column 2, column 4)"),
        ("a;y\n1;b\n", "cells are separated by ';'; allowed: commas"),
        ("a,y\n12_03,b\nnan,b\n", "column 'a' is not numeric: 2 cells, the first is '12_03' at line 2"),
        ("a,y\n1,b\n0x10,b\n", "the first is '0x10' at line 3"),
        ('a,y\n"1,b\n', "t.csv: not a CSV file: line 2: unexpected end of data"),
        ("a,a,,z\n", "column 'a' is there more than once"),
    ],
)
def test_a_csv_with_a_fault_is_refused_with_its_place(place: Place, text: str, part: str) -> None:
    assert any(part in violation for violation in place.refused("csv", **place.csv(text)))


@pytest.mark.parametrize(("first", "is_told"), [(0, True), (1, True), (2, False)])
def test_a_column_that_numbers_the_rows_is_pointed_at(place: Place, first: int, is_told: bool) -> None:
    rows = "".join(f"{first + row},{row % 7},{row % 2}\n" for row in range(20))
    notes = place.prepare("csv", **place.csv("Unnamed: 0,a,y\n" + rows)).notes
    assert [note for note in notes if "'Unnamed: 0' numbers the rows" in note] == list(notes) if is_told else not notes


def test_a_target_of_a_regression_is_a_number_as_a_feature_is(place: Place) -> None:
    (violation,) = place.refused("csv", **place.csv("a,y\n1,1_0\n2,\n"), task="regression")
    assert "column 'y' is not numeric: 1 cell, the first is '1_0' at line 2" in violation


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (gzip.compress(b"a,y\n", mtime=0), "it begins as gzip"),
        ("a,y\n1,b\n".encode("utf-16"), "it begins as UTF-16"),
        (b"PAR1\xff", "it begins as Parquet"),
        (b"<!doctype html><p>404</p>\n", "it begins as HTML or XML"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of Git LFS"),
        ("a,y\n1,b\n".encode("utf-16-be"), "a zero byte on line 1, as UTF-16 has"),
    ],
)
def test_another_format_is_named(place: Place, content: bytes, reason: str) -> None:
    data = place.csv("")
    (place.folder / "t.csv").write_bytes(content)
    (violation,) = place.refused("csv", **data)
    assert reason in violation


def test_marks_of_files_that_were_put_together_are_no_part_of_a_name(place: Place) -> None:
    rows = "".join(f"{row % 7},{row % 2}\n" for row in range(18))
    assert place.prepare("csv", **place.csv("\ufeff\ufeffa,y\n" + rows)).feature_names == ("a",)


@pytest.mark.parametrize(
    ("first", "is_refused"), [(2**53, True), (2**60, True), (-(2**60) - 100, True), (2**53 - 100, False)]
)
def test_whole_numbers_that_are_the_same_as_floats_are_refused(place: Place, first: int, is_refused: bool) -> None:
    rows = "".join(f"{first + row % 8},{row},{row % 2}\n" for row in range(18))
    violations = place.refused("csv", **place.csv("id,a,y\n" + rows))  # float32 holds none of them
    assert all("column 'id': " in violation for violation in violations)
    assert any("are the same number from 2^53 on; leave it out" in violation for violation in violations) == is_refused
