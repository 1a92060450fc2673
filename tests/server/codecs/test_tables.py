"""Rows of a table: one set of inputs whether they come as JSON, as CSV or as tensors, and every violation in words."""

import csv as standard_csv
import datetime
import json
import struct
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from atelier_server.codecs import columns, csv, rows, v2
from atelier_server.codecs.columns import Table
from atelier_server.codecs.violations import Invalid
from atelier_server.models.model import Model, load
from atelier_store import dates
from atelier_store.columns import Inputs
from atelier_store.instances import instances
from atelier_store.layout import Store
from atelier_store.records import Column
from hypothesis import given
from hypothesis import strategies as st

from tests.support.onnx_bundles import publish
from tests.support.table_bundles import PASSENGER, table_bundle

NUMBERS = tuple(column for column in PASSENGER if column.kind == "number")
WORDS = st.sampled_from(["female", "male", " male ", "other", "é", "e\u0301", "NA", "None", "a,b", 'a "b"', "\ufffd"])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "number": st.none() | st.floats(width=32, allow_nan=False, allow_infinity=False) | st.integers(-(10**20), 10**20),
    "category": st.none() | st.booleans() | st.integers(-9, 9) | WORDS,
    "date": st.none() | st.datetimes(datetime.datetime(1, 1, 2), datetime.datetime(9999, 12, 30)).map(str),
}
"""What JSON may hold of each kind."""


def rows_of(of: Sequence[Column]) -> st.SearchStrategy[list[list[Any]]]:
    return st.lists(st.tuples(*(VALUES[column.kind] for column in of)).map(list), min_size=1, max_size=5)


def loaded(of: Sequence[Column], folder: Path) -> Model:
    paths = Store(folder).model("passenger")
    return load(paths, publish(Store(folder), table_bundle(columns=of), "passenger"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return loaded(PASSENGER, tmp_path_factory.mktemp("table"))


@pytest.fixture(scope="module")
def numeric(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return loaded(NUMBERS, tmp_path_factory.mktemp("numbers"))


def table_of(model: Model) -> Table:
    found = columns.of(model)
    assert found
    return found


def from_json(given: Any, table: Table) -> Inputs:
    return rows.decode_table(json.dumps({"instances": given}).encode(), table)


def from_csv(header: Sequence[str], lines: Sequence[Sequence[object]], table: Table) -> Inputs:
    file = StringIO()
    standard_csv.writer(file).writerows([header, *lines])
    return csv.decode_table(file.getvalue().encode(), "text/csv", table)


def same(inputs: Inputs, others: Inputs) -> None:
    assert inputs.keys() == others.keys()
    for name, array in inputs.items():
        assert (array.dtype, array.shape) == (others[name].dtype, others[name].shape)
        if array.dtype == object:
            assert array.tolist() == others[name].tolist()
        else:
            np.testing.assert_array_equal(array, others[name])


def cell(value: Any) -> object:
    """A value as a person writes it into a CSV; words that mean a gap there stand for themselves in JSON only."""
    return "" if value is None or value in ("NA", "None") else value


@given(rows_of(PASSENGER), st.permutations(range(len(PASSENGER))))
def test_json_by_name_json_as_lists_and_csv_in_any_order_are_the_same_inputs(
    given: list[list[Any]], order: list[int]
) -> None:
    table = Table(PASSENGER)
    names = [column.name for column in PASSENGER]
    plain = [[None if value in ("NA", "None") else value for value in row] for row in given]

    named = from_json([{names[at]: row[at] for at in order} for row in plain], table)

    same(from_json(plain, table), named)
    cells = [[cell(row[at]) for at in order] for row in given]
    same(from_csv([names[at] for at in order], cells, table), named)
    assert all(array.shape == (len(given), 1) for array in named.values())


@given(rows_of(NUMBERS))
def test_numbers_alone_are_one_tensor_with_nan_for_a_gap(given: list[list[Any]]) -> None:
    table = Table(NUMBERS)

    [array] = from_json(given, table).values()

    expected = np.array([[np.nan if value is None else value for value in row] for row in given], np.float64)
    np.testing.assert_array_equal(array, expected.astype(np.float32))
    same(from_csv(table.names, [[cell(value) for value in row] for row in given], table), {"input": array})


def tensors(inputs: Inputs, model: Model, flat: bool = False) -> list[dict[str, Any]]:
    """Inputs as the protocol's JSON has them, each column as [N, 1], or as [N]."""
    found = []
    for tensor in model.manifest.inputs:
        array = inputs[tensor.name]
        data = [None if value != value else value for value in array.ravel().tolist()]
        shape = [len(array)] if flat else list(array.shape)
        found.append({"name": tensor.name, "datatype": tensor.datatype, "shape": shape, "data": data})
    return found


def as_bytes(inputs: Inputs, model: Model) -> tuple[bytes, int]:
    """Inputs by the extension for binary tensors: the body, and the length of its JSON."""
    headers, tail = [], b""
    for tensor in model.manifest.inputs:
        array = inputs[tensor.name]
        if tensor.datatype == "BYTES":
            texts = [text.encode() for text in array.ravel()]
            content = b"".join(struct.pack("<I", len(text)) + text for text in texts)
        else:
            content = array.tobytes()
        parameters = {"binary_data_size": len(content)}
        header = {"name": tensor.name, "datatype": tensor.datatype, "shape": [len(array), 1], "parameters": parameters}
        headers.append(header)
        tail += content
    text = json.dumps({"inputs": headers}).encode()
    return text + tail, len(text)


def protocol(content: bytes, length: int, model: Model) -> Inputs:
    return v2.decode(content, length, model).inputs


@given(rows_of(PASSENGER))
def test_tensors_as_json_and_as_bytes_are_the_same_inputs_as_instances(
    given: list[list[Any]],
) -> None:
    """The fast form, the careful form for what is unusual, and bytes."""
    model = MIXED[0]
    expected = from_json(given, table_of(model))
    for flat in (False, True):
        for extra in ({}, {"id": None, "parameters": {"unknown": [1]}}):
            content = json.dumps({"inputs": tensors(expected, model, flat)} | extra).encode()
            same(protocol(content, len(content), model), expected)
    nested = [one | {"data": [[value] for value in one["data"]]} for one in tensors(expected, model)]
    content = json.dumps({"inputs": nested}).encode()
    same(protocol(content, len(content), model), expected)
    same(protocol(*as_bytes(expected, model), model), expected)


MIXED: list[Model] = []


@pytest.fixture(scope="module", autouse=True)
def mixed(model: Model) -> None:
    """Hypothesis gives the rows; the model is one for all of them."""
    MIXED.append(model)


def test_a_model_of_numbers_takes_gaps_as_tensors_too(numeric: Model) -> None:
    expected = from_json([[1, None], [None, 2]], table_of(numeric))
    one = {"name": "input", "datatype": "FP32", "shape": [2, 2]}
    content = json.dumps({"inputs": [one | {"data": [1, None, None, 2]}]}).encode()
    same(protocol(content, len(content), numeric), expected)
    text = json.dumps({"inputs": [one | {"parameters": {"binary_data_size": 16}}]}).encode()
    same(protocol(text + expected["input"].tobytes(), len(text), numeric), expected)


def test_the_reference_rows_come_back_from_their_instances(model: Model) -> None:
    given = table_bundle().given
    same(from_json(instances(given, PASSENGER), table_of(model)), given)


@pytest.mark.parametrize("gap", ["", " ", "NA", "n/a", "NaN", "null", "NULL", "None", "#N/A", "-nan", "nil", "?"])
def test_the_usual_spellings_of_a_gap_are_gaps_in_a_cell(gap: str, model: Model) -> None:
    table = table_of(model)
    same(from_csv(table.names, [[gap] * 6], table), from_json([[None] * 6], table))


def test_texts_that_meant_a_gap_in_training_are_gaps_however_they_come() -> None:
    table = Table(PASSENGER, missing=("unknown",))
    names = [column.name for column in PASSENGER]
    by_kind = {"number": None, "category": "Unknown", "date": None}
    as_json = from_json([[by_kind[column.kind] for column in PASSENGER]], table)
    same(as_json, from_json([[None] * 6], table))
    same(from_csv(names, [["unknown"] * 6], table), as_json)
    sex = next(column for column in PASSENGER if column.kind == "category")
    assert from_json([["NA" if column == sex else None for column in PASSENGER]], table)[sex.name].tolist() == [["NA"]]


def test_a_level_that_is_spelt_like_a_gap_is_the_level() -> None:
    country = (Column(name="country", kind="category", levels=("NA", "ZA")), PASSENGER[0])
    table = Table(country)
    assert from_csv(table.names, [["NA", 1], ["na", 1]], table)["country"].tolist() == [["NA"], [""]]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("1970-01-02", 86400),
        ("1970-01-01T01:00", 3600),
        ("1970-01-01 01:00:00.5", 3600.5),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:00:00Z", -3600),
    ],
)
def test_a_date_is_seconds_since_1970_in_utc(written: str, seconds: float) -> None:
    table = Table(PASSENGER)
    row: list[Any] = [None] * 5
    assert from_json([[*row, written]], table)["boarded"].tolist() == [[seconds]]
    assert dates.seconds(dates.text(seconds)) == seconds


def violations(act: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as refused:
        act()
    return dict(refused.value.violations)


RIGHT: dict[str, Any] = {
    "age": 1,
    "sex": "male",
    "port of call": "Cherbourg",
    "alone": True,
    "fare": 2.5,
    "boarded": "1912-04-10",
}
DATE = "must be a date such as 2026-01-31 or 2026-01-31T18:30:00Z, or null, is "


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (RIGHT | {"age": "old"}, {"#/instances/0/age": "must be a number or null, is 'old'"}),
        (RIGHT | {"age": True}, {"#/instances/0/age": "must be a number or null, is true"}),
        (RIGHT | {"age": 1e39}, {"#/instances/0/age": "must be within ±3.403e+38, is 1e+39"}),
        (RIGHT | {"age": float("nan")}, {"#/instances/0/age": "must be a finite number or null, is nan"}),
        (RIGHT | {"sex": []}, {"#/instances/0/sex": "must be a text, a number, true, false or null, is a list of 0"}),
        (RIGHT | {"boarded": "31.1.2026"}, {"#/instances/0/boarded": f"{DATE}'31.1.2026'"}),
        (RIGHT | {"boarded": 5}, {"#/instances/0/boarded": f"{DATE}5"}),
        (
            {name: value for name, value in RIGHT.items() if name != "sex"} | {"a/b": 1},
            {
                "#/instances/0/sex": "is missing; null is a gap",
                "#/instances/0/a~1b": "is not a column of this model; "
                "its columns: age, sex, port of call, alone, fare, boarded",
            },
        ),
        ([1, 2], {"#/instances/0": "must have 6 values, has 2"}),
        (
            [*list(RIGHT.values())[:5], "x"],
            {"#/instances/0/5": f"boarded: {DATE}'x'"},
        ),
        ("text", {"#/instances/0": "must be an object by column, or a list of 6, is 'text'"}),
    ],
)
def test_what_is_wrong_with_a_row_is_named_by_column(row: Any, expected: dict[str, str], model: Model) -> None:
    assert violations(lambda: from_json([row], table_of(model))) == expected


def test_all_violations_of_all_rows_are_listed_at_once(model: Model) -> None:
    found = violations(lambda: from_json([RIGHT | {"age": "x", "fare": "y"}, RIGHT, [1]], table_of(model)))
    assert list(found) == ["#/instances/0/age", "#/instances/0/fare", "#/instances/2"]


def test_a_name_in_another_unicode_form_is_the_column() -> None:
    table = Table([Column(name="caf\u00e9", kind="category", levels=("a",)), PASSENGER[0]])
    assert from_json([{"cafe\u0301": "a", "age": 1}], table)["caf\u00e9"].tolist() == [["a"]]
    twice = violations(lambda: from_json([{"cafe\u0301": "a", "caf\u00e9": "a", "age": 1}], table))
    assert twice == {"#/instances/0": "has the same column twice, in two spellings"}


def test_everything_that_is_wrong_with_a_csv_is_named_by_line_and_column(model: Model) -> None:
    content = b"sex,age,boarded,wait,alone,fare\nmale,old,10.4.1912,1,,1_0\nmale,1\n"
    found = violations(lambda: csv.decode_table(content, "text/csv", table_of(model)))
    assert found == {
        "#/line/1/column/4": "'wait' is not a feature of this model; "
        "its features: age, sex, port of call, alone, fare, boarded",
        "#/line/1": "'port of call' is missing",
        "#/line/2/column/2": "age: must be a number or empty, is 'old'",
        "#/line/2/column/3": f"boarded: {DATE.replace('null', 'empty')}'10.4.1912'",
        "#/line/2/column/6": "fare: must be a number or empty, is '1_0'",
        "#/line/3": "must have 6 values, has 2",
    }


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"datatype": "FP32"}, {"#/inputs/1/datatype": "must be 'BYTES', is 'FP32'"}),
        ({"shape": [1, 2]}, {"#/inputs/1/shape": "must be [-1, 1] with -1 the number of rows, is [1, 2]"}),
        ({"data": [1]}, {"#/inputs/1/data/0": "must be a text or null, is 1"}),
        ({"data": ["a", "b"]}, {"#/inputs/1/data": "must have shape 1, has 2"}),
    ],
)
def test_what_is_wrong_with_a_tensor_of_words_is_said(
    change: dict[str, Any], expected: dict[str, str], model: Model
) -> None:
    given = tensors(from_json([RIGHT], table_of(model)), model)
    given[1] |= change
    content = json.dumps({"inputs": given}).encode()
    assert violations(lambda: protocol(content, len(content), model)) == expected


def test_what_is_wrong_with_the_data_of_several_tensors_is_listed_at_once(model: Model) -> None:
    given = tensors(from_json([RIGHT], table_of(model)), model)
    given[0]["data"], given[5]["data"] = ["old"], ["1912-04-10"]
    content = json.dumps({"inputs": given}).encode()
    assert violations(lambda: protocol(content, len(content), model)) == {
        "#/inputs/0/data/0": "must be a number or null, is 'old'",
        "#/inputs/5/data/0": "must be a number or null, is '1912-04-10'",
    }


@pytest.mark.parametrize(
    "damaged",
    [b"\x05\0\0\0male", b"\x04\0\0\0mal\xff", b"\x04\0\0\0male\0", b"", b"\x01\0\0\0m\x01\0\0\0a", b"\xff\xff\xff\xff"],
    ids=["too short", "no UTF-8", "a byte too many", "nothing", "two texts", "far too long"],
)
def test_bytes_that_are_no_texts_are_refused(damaged: bytes, model: Model) -> None:
    body, length = as_bytes(from_json([RIGHT], table_of(model)), model)
    header = json.loads(body[:length])
    right = struct.pack("<I", 4) + b"male"
    header["inputs"][1]["parameters"]["binary_data_size"] = len(damaged)
    text = json.dumps(header).encode()
    tail = body[length:].replace(right, damaged)
    assert violations(lambda: protocol(text + tail, len(text), model)) == {
        "#/inputs/1/parameters/binary_data_size": "the bytes must be 1 text in UTF-8, "
        "each after its length in four bytes, little-endian, only"
    }


@given(st.binary() | st.text().map(str.encode))
def test_whatever_is_sent_as_csv_is_rows_or_a_problem(content: bytes) -> None:
    try:
        found = csv.decode_table(content, "text/csv", Table(PASSENGER))
    except ValueError as error:
        assert str(error)
    else:
        assert {array.shape[1:] for array in found.values()} == {(1,)}
