"""A table is read alike however its text is written: what is not declared is found by looking."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
import polars as pl
import pytest
from atelier_store.spec import TableFormat
from atelier_store.tables import spelling
from atelier_trial.data import DataError
from atelier_trial.data.tables import reading
from atelier_trial.data.tables.members import Member
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.trial.data.tables.rows import HEADER, TABLE, lines
from tests.trial.place import Place


def written(delimiter: str) -> str:
    return TABLE.replace(",", delimiter)


@pytest.mark.parametrize(
    "text",
    [
        written("\t"),
        written(";").replace(".", ","),
        written("|"),
        written("   "),
        written(", "),
        '# made in 2020\n#, by "someone\n\n' + TABLE,
        "\n\n" + HEADER + "\n" + lines() + "\n \n",
        TABLE.replace("\n", "\r\n"),
        TABLE.replace("\n", "\r"),
        TABLE.replace("red", '"red"').replace("blue", ' "blue"'),
        "\ufeff" + TABLE,
        TABLE.encode("utf-16"),
        TABLE.encode("utf-16-le"),
        TABLE.encode("utf-32"),
    ],
)
def test_a_dialect_is_found_by_looking(place: Place, text: str | bytes) -> None:
    _, expected = place.arrays("table", **place.table(TABLE, name="plain.csv"))
    described, arrays = place.arrays("table", **place.table(text))

    assert [(one.name, one.kind) for one in described.columns or ()] == [("a", "number"), ("b", "category")]
    np.testing.assert_array_equal(arrays.train_x, expected.train_x)
    np.testing.assert_array_equal(arrays.train_y, expected.train_y)


@pytest.mark.parametrize(
    ("text", "declared"),
    [
        ("%\n" + HEADER + "%a,b\n" + lines(), {"comment": "%"}),
        (TABLE.replace("\n0.5,", "\n'0.5',"), {"missing": ["'0.5'"]}),
        (TABLE.replace(",", "\t"), {"delimiter": "tab"}),
        (lines(), {"header": False}),
        (TABLE.replace("red", "r\xf6d").encode("latin-1"), {"encoding": "latin-1"}),
    ],
)
def test_a_dialect_may_be_declared(place: Place, text: str | bytes, declared: dict[str, Any]) -> None:
    data = place.table(text, table=declared)
    if declared.get("header") is False:
        data["target"] = "column 3"
    assert place.prepare("table", **data).shape == (2,)


def test_another_delimiter_than_the_declared_one_is_refused_with_the_first_line(place: Place) -> None:
    data = place.table(TABLE.replace("\n0.5,", "\n0,5,"), table={"delimiter": ","})
    (violation,) = place.refused("table", **data)
    assert "1 row without the header's 3 cells; the first: line 3 has 4" in violation


def test_rows_without_a_header_have_numbered_columns(place: Place) -> None:
    described = place.prepare("table", **place.table(lines()) | {"target": "column 3"})
    assert (described.feature_names, described.train_rows) == (("column 1", "column 2"), 32)


def test_words_that_are_not_utf_8_are_read_as_windows_writes_them_with_a_note(place: Place) -> None:
    described = place.prepare("table", **place.table(TABLE.replace("red", "r\xf6d \u20ac").encode("cp1252")))
    assert (described.columns or ())[1].levels == ("blue", "green", "r\xf6d \u20ac")
    assert described.notes[0].startswith("t.csv: not in UTF-8, read as cp1252")


@pytest.mark.parametrize(
    ("column", "declared", "numbers"),
    [
        (["1.234,5", "2,25", "1.000.000"], {}, [1234.5, 2.25, 1e6]),
        (["1,234.5", "2.25", "1,000,000"], {}, [1234.5, 2.25, 1e6]),
        (["1 234,5", "2,25", "1\u202f000\u00a0000"], {}, [1234.5, 2.25, 1e6]),
        (["1'234.5", "2.25", "1'000'000"], {}, [1234.5, 2.25, 1e6]),
        (["1,234", "2,345", "3,456"], {"decimal": ","}, [1.234, 2.345, 3.456]),
        (["1,234", "2,345", "3,456"], {"thousands": ","}, [1234, 2345, 3456]),
        (["1.234", "2.345", "3.456"], {"decimal": ",", "thousands": "."}, [1234, 2345, 3456]),
        (["1e3", "-.5", "+7."], {}, [1000, -0.5, 7]),
    ],
)
def test_numbers_have_the_decimals_and_thousands_of_their_table(
    place: Place, column: list[str], declared: dict[str, Any], numbers: list[float]
) -> None:
    text = "a;y\n" + "".join(f"{cell};{row % 2}\n" for row in range(10) for cell in column)
    _, arrays = place.arrays("table", **place.table(text, table=declared))
    assert set(np.unique(arrays.train_x).tolist()) == set(np.array(numbers, np.float32).tolist())


def test_one_column_of_a_table_tells_how_the_others_are_written(place: Place) -> None:
    text = "a;b;y\n" + "".join(f"1.00{row % 7};{row % 5},5;{row % 2}\n" for row in range(30))
    _, arrays = place.arrays("table", **place.table(text))
    assert arrays.train_x[:, 0].min() == 1000


def test_numbers_that_may_be_read_in_two_ways_are_refused(place: Place) -> None:
    text = "a;y\n" + "".join(f"1,00{row % 7};{row % 2}\n" for row in range(30))
    (violation,) = place.refused("table", **place.table(text))
    assert "t.csv, column 'a': '1,000' may be 1000 or 1; write trainer.data.table.decimal" in violation


CELLS = st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters='",;|\t\n#'), max_size=8).filter(
    lambda text: text == text.strip()
)
NAMES = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=5).map(spelling)


@settings(max_examples=60, deadline=None)  # polars waits for its threads on a busy machine
@given(
    names=st.lists(NAMES, min_size=2, max_size=4, unique=True),
    rows=st.lists(st.lists(CELLS, min_size=4, max_size=4), min_size=1, max_size=6),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    ending=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
@example(["a", "b"], [["", "", "", ""], ["x", "", "", ""]], ",", "\n", "utf-8", csv.QUOTE_MINIMAL)
def test_what_was_written_is_read(
    names: list[str], rows: list[list[str]], delimiter: str, ending: str, encoding: str, quoting: Any
) -> None:
    rows = [row[: len(names)] for row in rows]
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator=ending, quoting=quoting)
    writer.writerows([names, *rows])
    declared = TableFormat.model_validate({"delimiter": "tab" if delimiter == "\t" else delimiter, "header": True})
    member = Member("t.csv", file.getvalue().encode(encoding))

    piece = reading._piece(member, declared, names[-1], may_be_nameless=False)

    assert isinstance(piece.columns, pl.DataFrame) and piece.columns.columns == names
    assert [[cell or "" for cell in row] for row in piece.columns.rows()] == rows


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_whatever_a_file_holds_there_is_one_refusal_or_a_table(content: bytes) -> None:
    try:
        piece = reading._piece(Member("t", content), TableFormat(), "y", may_be_nameless=True)
    except DataError as error:
        assert error.violations
    else:
        assert isinstance(piece.columns, pl.DataFrame) and piece.columns.width
