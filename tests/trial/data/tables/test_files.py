"""A table may be in any usual format, compressed or not, and in many files; what is torn is refused by name."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from atelier_store.layout import Store
from atelier_store.spec import Data
from atelier_trial.data import DataError, prepare
from atelier_trial.data.errors import reading
from atelier_trial.data.tables import members
from polars.exceptions import PanicException

from tests.trial.data.tables.rows import HEADER, TABLE, cells, lines
from tests.trial.place import Place


def frame() -> pl.DataFrame:
    rows = cells()
    return pl.DataFrame(
        {"a": [float(row[0]) for row in rows], "b": [row[1] for row in rows], "y": [row[2] for row in rows]}
    )


def by(write: Callable[[pl.DataFrame, io.BytesIO], object]) -> bytes:
    file = io.BytesIO()
    write(frame(), file)
    return file.getvalue()


def zipped(**files: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


FORMATS = {
    "t.csv.gz": gzip.compress(TABLE.encode()),
    "t.csv.zst": members.zstd.compress(TABLE.encode()),
    "t.zip": zipped(**{"t.csv": TABLE}),
    "t.parquet": by(lambda one, file: one.write_parquet(file)),
    "t.feather": by(lambda one, file: one.write_ipc(file)),
    "t.arrows": by(lambda one, file: one.write_ipc_stream(file)),
    "t.jsonl": by(lambda one, file: one.write_ndjson(file)),
    "marked.jsonl": b"\xef\xbb\xbf" + by(lambda one, file: one.write_ndjson(file)),
    "utf16.jsonl": by(lambda one, file: one.write_ndjson(file)).decode().encode("utf-16"),
    "t.jsonl.gz": gzip.compress(by(lambda one, file: one.write_ndjson(file))),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_arrays(place: Place, name: str) -> None:
    digest = place.prepare("table", **place.table(TABLE)).digest
    assert place.prepare("table", **place.table(FORMATS[name], name=name)).digest == digest


@pytest.mark.parametrize("name", FORMATS)
def test_a_torn_file_is_refused_by_name(place: Place, name: str) -> None:
    content = FORMATS[name]
    (violation, *_) = place.refused("table", **place.table(content[: len(content) * 3 // 4], name=name))
    assert name.removesuffix(".gz") in violation and ("whole" in violation or "line" in violation)


def test_types_of_a_file_are_kinds(place: Place) -> None:
    table = pl.DataFrame(
        {
            "whole": [1, None, 3] * 10,
            "float": [0.5, float("nan"), 1] * 10,
            "flag": [True, False, None] * 10,
            "day": pl.Series(["2020-02-29", None, "2020-03-01"] * 10).str.to_date(),
            "enum": pl.Series(["x", "y", "y"] * 10, dtype=pl.Categorical),
            "zoned": pl.Series(["2020-02-29T23:30:00+02:00"] * 15 + ["2020-01-01T00:00:00Z"] * 15).str.to_datetime(),
            "y": ["p", "q"] * 15,
        }
    )
    file = io.BytesIO()
    table.write_parquet(file)
    described, arrays = place.arrays("table", **place.table(file.getvalue(), name="t.parquet"))
    kinds = {column.name: column.kind for column in described.columns or ()}
    assert kinds == {
        "whole": "number",
        "float": "number",
        "flag": "category",
        "day": "date",
        "enum": "category",
        "zoned": "date",
    }
    assert set(arrays.train_x[:, -1].tolist()) == {21.0, 0.0}


def test_a_type_that_is_no_column_is_refused_unless_it_is_dropped(place: Place) -> None:
    text = "".join(json.dumps({"a": row % 7, "list": [row], "y": row % 2}) + "\n" for row in range(30))
    (violation,) = place.refused("table", **place.table(text, name="t.jsonl"))
    assert "t.jsonl, column 'list': holds values of type List(Int64)" in violation
    assert list(place.columns(text, name="t.jsonl", columns={"list": "drop"})) == ["a"]


def test_lines_that_are_no_json_are_named(place: Place) -> None:
    violations = place.refused("table", **place.table('{"a": 1, "y": 2}\n\n{"a":\n[1]\n', name="t.jsonl"))
    assert "t.jsonl, line 3: not JSON" in violations[0] and "t.jsonl, line 4: not an object" in violations[1]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"a": 1, "a": 2, "b": "red", "y": "no"}', "'a' is there more than once"),
        ('{"a": 1, "a": 2, "b": null, "y": "no"}', "'a' is there more than once"),
        ('{"a": NaN, "b": "red", "y": "no"}', "NaN is none of its numbers; a gap is null"),
        ('{"a": -Infinity, "b": "red", "y": "no"}', "-Infinity is none of its numbers"),
        ('{"a": ' + "[" * 5000 + "]" * 5000 + "}", "too deep"),
    ],
    ids=["twice", "twice and a gap", "nan", "infinite", "deep"],
)
def test_a_line_of_json_that_readers_take_differently_is_named(place: Place, line: str, fault: str) -> None:
    text = FORMATS["t.jsonl"].decode() + line + "\n"
    (violation,) = place.refused("table", **place.table(text, name="t.jsonl"))
    assert violation.startswith(f"t.jsonl, line 41: not JSON: {fault}")


@pytest.mark.parametrize(("raised", "given"), [(PanicException, DataError), (KeyboardInterrupt, KeyboardInterrupt)])
def test_a_file_that_its_reader_panics_on_is_refused(raised: type[BaseException], given: type[BaseException]) -> None:
    """What polars raises of some damaged Parquet files, as many libraries of Rust do, is no Exception."""
    said = "t.parquet: not a whole Parquet file: no row" if given is DataError else "no row"
    with pytest.raises(given, match=said), reading(Path("t.parquet"), "a whole Parquet file"):
        raise raised("no row\nat all")


def test_an_archive_that_has_a_table_twice_is_refused(place: Place) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("t.csv", TABLE)
        archive.writestr("t.csv", TABLE)
    (violation,) = place.refused("table", **place.table(file.getvalue(), name="t.zip"))
    assert violation.endswith("t.zip: t.csv is there more than once; allowed: each name once")


@pytest.mark.parametrize("kind", ["folder", "archive", "pattern"])
def test_many_files_are_one_table(place: Place, kind: str) -> None:
    files = {"part-1.csv": TABLE, "part-2.csv": "y;b;a\n" + "no;red;7\n" * 20}
    for name, text in files.items():
        place.table(text, name=f"parts/{name}")
    place.table("not a table", name="parts/readme.md")
    place.table(zipped(**files, **{"readme.md": ""}), name="parts.zip")
    path = {"folder": "parts", "archive": "parts.zip", "pattern": "parts/part-*.csv"}[kind]
    described = place.prepare("table", files={"train": {"path": path}}, target="y")
    assert described.train_rows + described.test_rows == 60
    assert [column.name for column in described.columns or ()] == ["a", "b"]
    left_out = [note for note in described.notes if "readme.md" in note]
    assert len(left_out) == (kind != "pattern")


def test_a_fault_in_one_of_many_files_is_told_with_its_name_and_line(place: Place) -> None:
    place.table(TABLE, name="parts/a.csv")
    place.table(TABLE + "inf,red,no\n", name="parts/b.csv")
    (violation,) = place.refused("table", files={"train": {"path": "parts"}}, target="y")
    assert "parts, column 'a': 1 cell 'inf' at b.csv line 42: infinite" in violation


def test_files_of_one_table_have_equal_columns(place: Place) -> None:
    place.table(TABLE, name="parts/a.csv")
    place.table("a,c,y\n1,2,3\n", name="parts/b.csv")
    (violation,) = place.refused("table", files={"train": {"path": "parts/*.csv"}}, target="y")
    assert violation.startswith("b.csv: of the columns of a.csv it lacks b; has besides: c")


def test_a_pattern_that_nothing_matches_is_refused(place: Place) -> None:
    (violation,) = place.refused("table", files={"train": {"path": "part-*.csv"}}, target="y")
    assert violation.startswith("trainer.data.files.train: ") and violation.endswith("part-*.csv: no file matches")


def test_another_file_that_matches_is_other_data(place: Place) -> None:
    place.table(TABLE, name="part-1.csv")
    data: dict[str, Any] = {"files": {"train": {"path": "part-*.csv"}}, "target": "y"}
    first = place.prepare("table", **data)
    place.table(TABLE, name="part-2.csv")
    assert place.prepare("table", **data).train_rows == 2 * first.train_rows


@pytest.mark.parametrize(
    ("content", "name", "part"),
    [
        (b"", "t.csv", "t.csv: is empty; allowed: a header and rows"),
        (b"a,b,y\n", "t.csv", "t.csv: has no rows"),
        (b"<!doctype html>", "t.csv", "t.csv: not a table: it begins as HTML or XML"),
        (b"\x89PNG\r\n\x1a\n", "t.csv", "t.csv: not a table: it begins as a single picture"),
        (zipped(**{"xl/workbook.xml": "", "[Content_Types].xml": ""}), "t.xlsx", "an Excel workbook"),
        (zipped(**{"readme.md": ""}), "t.zip", "no tables in it; it has: readme.md"),
        (
            (HEADER + lines(9) + "1.5,re").encode(),
            "t.csv",
            "t.csv, line 11: the last row has 2 of the header's 3 cells",
        ),
        ((HEADER + lines(9) + "1,2\n" + lines(3)).encode(), "t.csv", "1 row without the header's 3 cells"),
        ((HEADER + lines(3) + '1,"red,no\n' + lines(9)).encode(), "t.csv", "t.csv, line 5: a quote is not closed"),
        ((HEADER + lines(9) + '1.5,"re').encode(), "t.csv", "t.csv, line 11: a quote is not closed"),
        (b"a,a,y\n1,2,3\n", "t.csv", "t.csv: column 'a' is there more than once"),
        (zipped(), "t.zip", "t.zip: no tables in it"),
        (b"Obj\x01" + bytes(40), "t.avro", "t.avro: not a table: it begins as Avro"),
        (b"PARE" + bytes(40), "t.parquet", "it begins as Parquet that is encrypted"),
        (b"\xd0\xcf\x11\xe0" + bytes(40), "t.xls", "it begins as a workbook"),
        (b"a,b,y\n1,2,\x00\n", "t.csv", "t.csv: not a table: a zero byte on line 2"),
        (b",b,y\n1,2,3\n", "t.csv", 'leave it out by trainer.data.columns: {"": drop}'),
        (b"a,b,y\n1,\xff\x81,3\n", "t.csv", "t.csv: not in utf-8: byte 0xff on line 2"),
    ],
)
def test_a_file_that_is_no_whole_table_is_refused(place: Place, content: bytes, name: str, part: str) -> None:
    violations = place.refused("table", **place.table(content, name=name))
    assert any(part in violation for violation in violations), violations


def test_a_column_without_a_name_may_be_dropped(place: Place) -> None:
    text = ",a,y\n" + "".join(f"{row},{row % 7},{row % 2}\n" for row in range(30))
    assert list(place.columns(text, columns={"": "drop"})) == ["a"]


def test_quotes_within_cells_are_characters(place: Place) -> None:
    text = "a,b,y\n" + '5" pipe,2,no\n6" pipe,3,yes\n6" pipe,4,no\n' * 20
    assert place.columns(text)["a"].levels == ('5" pipe', '6" pipe')


def test_the_line_of_a_cell_counts_the_lines_within_cells(place: Place) -> None:
    text = HEADER + '1,"red\nor blue",no\n' * 20 + "\n" + lines() + "inf,red,no\n"
    (violation,) = place.refused("table", **place.table(text))
    assert f"at line {text.count(chr(10))}:" in violation


def test_a_file_that_changes_while_it_is_read_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.table(TABLE)
    read = Path.read_bytes

    def reads_then_grows(path: Path) -> bytes:
        content = read(path)
        if path.name == "t.csv":
            with path.open("a") as file:
                file.write("1,red,no\n")
        return content

    monkeypatch.setattr(Path, "read_bytes", reads_then_grows)
    data = Data.model_validate({"source": "table", "files": {"train": {"path": "t.csv"}}, "target": "y"})
    store = Store(place.folder / "store")
    with pytest.raises(DataError, match=r"trainer\.data\.files\.train: .*t\.csv: was changed while it was read"):
        prepare(data, store, place.folder, None, 0)
    assert not list(store.root.rglob("*.json"))


def test_records_are_found_alike_in_parts_of_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    from atelier_trial.data.tables import records

    content = b'1,"a\n\n,b",2\n3,4,5\n"x""y",6,7' * 20
    whole = records.scan(content, ",")
    for width in (1, 2, 3, 7, 64):
        monkeypatch.setattr(records, "WIDTH", width)
        part = records.scan(content, ",")
        np.testing.assert_array_equal(part.ends, whole.ends)
        np.testing.assert_array_equal(part.lines, whole.lines)
        np.testing.assert_array_equal(part.cells, whole.cells)
        assert part.misquoted == whole.misquoted
