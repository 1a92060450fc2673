"""Rows as CSV: the answers of JSON instances, or every violation with its line and column."""

import csv as standard_csv
import json
from collections.abc import Callable, Iterable, Iterator
from io import StringIO
from typing import Any

import httpx
import numpy as np
import pytest
from atelier_server.codecs import csv
from atelier_server.codecs import rows as instances
from atelier_server.codecs.violations import Invalid, Malformed
from atelier_store.layout import Store
from atelier_store.records import Manifest, Tensor
from hypothesis import given
from hypothesis import strategies as st

from tests.support.onnx_bundles import FEATURES, publish, rows_bundle, signal_bundle
from tests.support.server_process import Server, errors, problem, serving

pytestmark = pytest.mark.process

ROWS = Manifest(**rows_bundle().fields, files={})
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
NUMBERS = st.one_of(
    st.integers(), st.floats(), st.floats(width=32), st.sampled_from([2**53 + 1, 10**39, 10**500, -0.0])
)


def predict(server: Server, table: str | bytes, media_type: str = "text/csv", **query: str) -> httpx.Response:
    return server.client.post("/predict", params=query, content=table, headers={"Content-Type": media_type})


def written(rows: Iterable[Iterable[object]], **dialect: Any) -> str:
    file = StringIO()
    standard_csv.writer(file, **dialect).writerows(rows)
    return file.getvalue()


@pytest.fixture(scope="module")
def signals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of signals of 12 moments in 2 channels."""
    store = Store(tmp_path_factory.mktemp("signals"))
    publish(store, signal_bundle(channels=2), "heart")
    with serving(store, "heart") as server:
        yield server


@pytest.mark.parametrize(
    "table",
    [
        "1,2,3\n4,5,6\n",
        "1,2,3\r\n4,5,6",
        "\ufeffage,height,weight\r\n1,2,3\r\n4,5,6\r\n",
        "weight,age,height\n3,1,2\n6,4,5\n",
        'weight, "age",height\n\n 3, "1",2.0\n6.,4e0,+5\n\n',
    ],
    ids=["no header", "windows", "byte order mark", "another order", "quotes, spaces and empty lines"],
)
def test_a_table_gets_the_answers_of_its_rows(rows: Server, table: str) -> None:
    as_json = rows.client.post("/predict", json={"instances": [[1, 2, 3], [4, 5, 6]]}).raise_for_status().json()
    assert predict(rows, table).raise_for_status().json() == as_json


def test_a_line_of_a_signal_has_its_moments_one_after_the_other(signals: Server) -> None:
    given = signal_bundle(channels=2).inputs[:3].astype(float)
    as_json = signals.client.post("/predict", json={"instances": given.tolist()}).raise_for_status().json()
    assert predict(signals, written(given.reshape(3, 24).tolist())).raise_for_status().json() == as_json


def test_a_model_of_pictures_takes_no_table(images: Server) -> None:
    assert "takes images, not CSV rows" in problem(predict(images, "1,2,3"), 415)["detail"]


@given(
    st.lists(st.lists(NUMBERS, min_size=3, max_size=3), min_size=1, max_size=4),
    st.permutations(FEATURES),
    st.sampled_from(["FP32", "FP64", "INT16"]),
)
def test_a_table_is_taken_if_and_as_its_numbers_are_as_json(
    rows: list[list[float]], order: list[str], datatype: str
) -> None:
    manifest = ROWS.model_copy(update={"inputs": (Tensor(name="input", datatype=datatype, shape=(-1, 3)),)})

    def decoded(decode: Callable[..., np.ndarray], *arguments: object) -> np.ndarray | list[str]:
        try:
            return decode(*arguments, manifest)
        except Invalid as invalid:
            return [detail.split(", is ")[0].split(": ")[-1] for _, detail in invalid.violations]

    ordered = [[row[FEATURES.index(name)] for name in order] for row in rows]
    as_json = decoded(
        instances.decode, json.dumps({"instances": [dict(zip(order, row, strict=True)) for row in ordered]}).encode()
    )
    as_csv = decoded(csv.decode, written([order, *ordered]).encode(), "text/csv")
    if isinstance(as_json, list):
        assert isinstance(as_csv, list) and len(as_csv) == len(as_json)
    else:
        assert isinstance(as_csv, np.ndarray) and as_csv.dtype == as_json.dtype
        np.testing.assert_array_equal(as_csv, as_json)


@given(
    st.one_of(st.binary(), st.lists(st.lists(TEXT)).map(lambda cells: written(cells).encode()), TEXT.map(str.encode))
)
def test_whatever_is_sent_is_rows_or_a_problem(content: bytes) -> None:
    try:
        array = csv.decode(content, "text/csv", ROWS)
    except (Malformed, Invalid) as error:
        assert str(error)
    else:
        assert array.shape[1:] == (3,) and len(array) and np.isfinite(array).all()


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("", {"#": "must hold at least one row"}),
        ("age,height,weight\n", {"#": "must hold at least one row"}),
        ("1,2\n", {"#/line/1": "must have 3 values, has 2"}),
        ("1,2,x\n", {"#/line/1/column/3": "weight: must be a number, is 'x'"}),
        ("1,2,\n", {"#/line/1/column/3": "weight: must be a number, is empty"}),
        (
            "1,2,nan\n1_000,0x1,1e39\n",
            {
                "#/line/1/column/3": "weight: must be a number, is 'nan'",
                "#/line/2/column/1": "age: must be a number, is '1_000'",
                "#/line/2/column/2": "height: must be a number, is '0x1'",
                "#/line/2/column/3": "weight: must be within ±3.403e+38, is 1e+39",
            },
        ),
        (
            "weight,age,wait,age\n1,2,text,4\n\n5,x,7\n",
            {
                "#/line/1/column/3": "'wait' is not a feature of this model; its features: age, height, weight",
                "#/line/1/column/4": "'age' is given twice",
                "#/line/1": "'height' is missing",
                "#/line/4": "must have 4 values, has 3",
                "#/line/4/column/2": "age: must be a number, is 'x'",
            },
        ),
        ('"age","height","weight"\n1,"2\n",3\n4,y,6\n', {"#/line/4/column/2": "height: must be a number, is 'y'"}),
    ],
)
def test_everything_that_is_wrong_with_a_table_is_named_by_line_and_column(
    rows: Server, table: str, expected: dict[str, str]
) -> None:
    assert errors(predict(rows, table), 422) == expected


def test_a_header_for_features_without_names_is_refused_as_one(signals: Server) -> None:
    expected = {"#/line/1": "must be a row of numbers: this model's features have no names for a header"}
    assert errors(predict(signals, "a,b\n" + ",".join("0" * 24)), 422) == expected


def test_the_content_type_may_say_whether_there_is_a_header() -> None:
    years = ROWS.model_copy(update={"feature_names": ("2019", "2020", "2021")})
    table = b"2021,2020,2019\n3,2,1\n"
    assert csv.decode(table, "text/csv", years).tolist() == [[2021, 2020, 2019], [3, 2, 1]]
    assert csv.decode(table, "text/csv; header=present", years).tolist() == [[1, 2, 3]]
    with pytest.raises(Invalid, match="age: must be a number, is 'age'"):
        csv.decode(b"age,height,weight\n", "text/csv; header=absent", ROWS)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"1,2,3\n1,\xe9,3", "not UTF-8: byte 0xe9 on line 2"),
        ("1,2,3\n".encode("utf-16"), "not UTF-8: byte 0xff on line 1"),
        (b'1,2,3\n1,"2,3\n', "not CSV: line 2: unexpected end of data"),
        (b'1,"2"2,3\n', "not CSV: line 1: ',' expected after '\"'"),
    ],
)
def test_a_body_that_is_not_csv_is_a_bad_request(rows: Server, content: bytes, words: str) -> None:
    assert words in problem(predict(rows, content), 400)["detail"]


def test_another_charset_is_refused(rows: Server) -> None:
    assert predict(rows, "1,2,3", "text/csv; charset=UTF-8").status_code == 200
    assert (
        "charset of CSV must be utf-8, is latin-1"
        in problem(predict(rows, "1,2,3", "text/csv; charset=latin-1"), 415)["detail"]
    )
