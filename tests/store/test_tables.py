"""One dialect of CSV and one kind of number, for what a trial learns from and what a server answers."""

import json

import pytest
from atelier_server.codecs import csv as server
from atelier_server.codecs import rows
from atelier_server.codecs.violations import Invalid, Malformed
from atelier_store.records import InputStatistics, Manifest, Tensor
from atelier_store.tables import UnreadableTable, floats, lines
from hypothesis import given
from hypothesis import strategies as st

from tests.support.onnx_bundles import image_bundle


@pytest.mark.parametrize(
    "text",
    [
        'a b,"c"\n1,2\n',
        "\ufeffa b,c\r\n1,2\r\n",
        '"a b", "c"\n\n1,  2\n   \n',
        "\n\na b ,\tc\r1 , 2",
        'a b,c\n"1","2"',
    ],
)
def test_a_table_is_read_without_what_surrounds_its_cells(text: str) -> None:
    assert [line.cells for line in lines(text.encode())] == [["a b", "c"], ["1", "2"]]


def test_a_line_is_counted_from_where_it_begins() -> None:
    assert [line.number for line in lines(b'a,b\n"1\n",2\n\n3,4\n')] == [1, 2, 5]


def test_a_text_of_two_characters_an_accent_is_the_text_of_one() -> None:
    assert lines("cafe\u0301\n".encode()) == lines("caf\u00e9\n".encode())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a\n\xe9\n", "not UTF-8: byte 0xe9 on line 2"),
        (b'a\n"b\n', "line 2: unexpected end of data"),
        (b'a\n"b"c\n', "line 2: ',' expected after"),
    ],
)
def test_what_is_no_table_is_refused_with_its_line(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableTable, match=reason):
        lines(content)


@pytest.mark.parametrize("cell", ["12", "-0.5", "+5", "1e5", "1.E-3", ".5", "5.", "007"])
def test_numbers_are_decimal(cell: str) -> None:
    assert floats([cell]) == [float(cell)]


@pytest.mark.parametrize(
    "cell", ["12_03", "nan", "NaN", "inf", "-Infinity", "0x1f", "\uff11\uff12", "\u0663", "", "1,5", "1 5", "e5", "."]
)
def test_what_only_python_takes_for_a_number_is_none(cell: str) -> None:
    assert floats(["1", cell]) is None


def manifest(*names: str) -> Manifest:
    tensor = Tensor(name="input", datatype="FP32", shape=(-1, len(names)))
    fields = image_bundle().fields | {"kind": "rows", "inputs": (tensor,), "feature_names": names}
    statistics = InputStatistics(mean=(0.0,) * len(names), std=(1.0,) * len(names), count=9)
    return Manifest(**fields | {"input_statistics": statistics}, files={})


CELLS = st.one_of(
    st.text("0123456789.eE+-_ xn\u0663", max_size=5), st.floats(-1e9, 1e9).map(repr), st.integers().map(str)
)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=4))
def test_a_server_takes_a_cell_exactly_if_a_trial_does(rows: list[tuple[str, str]]) -> None:
    content = "a b,c\n" + "".join(f'"{a}", {b}\n' for a, b in rows)
    cells = [cell for line in lines(content.encode())[1:] for cell in line.cells]
    numbers = floats(cells) if len(cells) == 2 * len(rows) else None
    try:
        served = server.decode(content.encode(), "text/csv; header=present", manifest("a b", "c"))
    except (Invalid, Malformed):
        served = None
    beyond = numbers is not None and any(abs(number) > 3.4e38 for number in numbers)
    assert (served is None) == (numbers is None or beyond)


def test_a_server_knows_a_feature_in_both_spellings() -> None:
    for name in ("caf\u00e9", "cafe\u0301"):
        for header in ("caf\u00e9", "cafe\u0301"):
            assert server.decode(f"{header},b\n1,2\n".encode(), "text/csv", manifest(name, "b")).tolist() == [[1, 2]]


def test_a_row_in_json_may_spell_a_feature_in_both_ways() -> None:
    for key in ("caf\u00e9", "cafe\u0301"):
        content = json.dumps({"instances": [{key: 1, "b": 2}]}).encode()
        assert rows.decode(content, manifest("cafe\u0301", "b")).tolist() == [[1, 2]]
        assert rows.decode(b"\xef\xbb\xbf" + content, manifest("cafe\u0301", "b")).tolist() == [[1, 2]]
    with pytest.raises(Invalid):
        twice = json.dumps({"instances": [{"caf\u00e9": 1, "cafe\u0301": 2, "b": 2}]}).encode()
        rows.decode(twice, manifest("cafe\u0301", "b"))
