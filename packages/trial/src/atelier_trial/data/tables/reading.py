"""A table's files as one frame: texts where a file has no types of its own, and the place of each row."""

from __future__ import annotations

import csv
import json
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import IO, Any, overload

import numpy as np
import polars as pl
from atelier_store.files import named_in_errors
from atelier_store.in_words import counted
from atelier_store.spec import TableFormat
from atelier_store.tables import name as name_of
from numpy.typing import NDArray

from atelier_trial.data.errors import DataError, begins_as, gather, reading
from atelier_trial.data.raw import few
from atelier_trial.data.tables import dialect, large, members
from atelier_trial.data.tables.members import Member
from atelier_trial.data.tables.records import Records, rewritten, scan

Lines = NDArray[np.int64] | None

STREAM = b"\xff\xff\xff\xff"
"""What a stream of Arrow begins with, which is no file of Arrow."""

FORMATS = "CSV, Parquet, Arrow or JSON lines"

LONG = 1_000_000
"""Bytes of a text; one that is longer was written by a program, which ends the last line."""


@dataclass(frozen=True)
class Places(Sequence[str]):
    """The place of each row in words: its line, or its number where the file has no lines; its file if there are many.

    starts are the first rows of each file.
    """

    names: tuple[str, ...]
    starts: tuple[int, ...]
    lines: tuple[Lines, ...]
    rows: int

    def __len__(self) -> int:
        return self.rows

    @overload
    def __getitem__(self, row: int) -> str: ...

    @overload
    def __getitem__(self, row: slice) -> list[str]: ...

    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [self[index] for index in range(*row.indices(self.rows))]
        if not 0 <= row < self.rows:
            raise IndexError(row)
        file = bisect_right(self.starts, row) - 1
        lines, own = self.lines[file], row - self.starts[file]
        place = f"row {own}" if lines is None else f"line {lines[own]}"
        return f"{self.names[file]} {place}" if len(self.names) > 1 else place


@dataclass(frozen=True)
class Frame:
    """A table as it was read; where is its name in messages."""

    where: str
    columns: large.Frame
    places: Places
    notes: tuple[str, ...]


def read(path: Path, declared: TableFormat, target: str, may_be_nameless: bool, folder: Path | None = None) -> Frame:
    """All files of a table beneath each other. DataError with everything that is wrong with them.

    With a folder to write into, a large table is read column by column, later.
    """
    found = members.read(path, None if folder is None else large.LARGE)
    pieces = gather(
        lambda member: _piece(member, declared, target, may_be_nameless, folder),
        {one.name: one for one in found.files},
    )
    names = list(pieces)
    first = pieces[names[0]].columns.columns
    if violations := [
        different for name, piece in pieces.items() if (different := _unequal(name, piece, names[0], first))
    ]:
        raise DataError(violations)
    frames = [piece.columns.select(first) for piece in pieces.values()]
    with reading(path, "one table of equal columns"):
        together = _together(frames)
    starts = np.cumsum([0, *(frame.height for frame in frames)]).tolist()
    places = Places(tuple(names), tuple(starts[:-1]), tuple(piece.lines for piece in pieces.values()), starts[-1])
    notes = tuple(note for piece in pieces.values() for note in piece.notes)
    if found.others:
        notes += (f"{path.name}: left out: {few(found.others)} (no tables)",)
    if not together.height:
        raise DataError([f"{path}: has no rows"])
    return Frame(path.name, together, places, notes)


def _together(frames: Sequence[large.Frame]) -> large.Frame:
    """Frames of the same columns, one beneath the other."""
    if len(frames) == 1:
        return frames[0]
    whole = [frame for frame in frames if isinstance(frame, pl.DataFrame)]
    return pl.concat(whole, how="vertical_relaxed") if len(whole) == len(frames) else large.together(frames)


@dataclass(frozen=True)
class Piece:
    """One file of a table."""

    columns: large.Frame
    lines: Lines
    notes: tuple[str, ...] = ()


def _unequal(name: str, piece: Piece, first: str, columns: Sequence[str]) -> str | None:
    lacks = [column for column in columns if column not in piece.columns.columns]
    besides = [column for column in piece.columns.columns if column not in columns]
    if not lacks and not besides:
        return None
    differences = f"lacks {', '.join(lacks) or 'none'}; has besides: {', '.join(besides) or 'none'}"
    return f"{name}: of the columns of {first} it {differences}; allowed: the same columns in all files of a table"


def _piece(
    member: Member, declared: TableFormat, target: str, may_be_nameless: bool, folder: Path | None = None
) -> Piece:
    if folder is not None and (found := _large(member, declared, target, may_be_nameless, folder)):
        return found
    name, content = members.whole(member)
    assert isinstance(content, bytes)
    path = Path(name)
    if content.startswith(b"PAR1"):
        with reading(path, "a whole Parquet file"):
            return _typed(pl.read_parquet(BytesIO(content)), name, may_be_nameless)
    if content.startswith(b"ARROW1"):
        with reading(path, "a whole Arrow file"):
            return _typed(pl.read_ipc(BytesIO(content)), name, may_be_nameless)
    if content.startswith(STREAM):
        with reading(path, "a whole Arrow stream"):
            return _typed(pl.read_ipc_stream(BytesIO(content)), name, may_be_nameless)
    if (other := begins_as(content)) and other != "UTF-16":
        raise DataError([f"{name}: not a table: it begins as {other}; allowed: {FORMATS}"])
    content, notes = dialect.decode(content, declared.encoding, name)
    if (at := content.find(b"\0")) >= 0:
        line = content.count(b"\n", 0, at) + 1
        raise DataError([f"{name}: not a table: a zero byte on line {line}, which no text has; allowed: {FORMATS}"])
    if re.match(rb"\s*\[\s*[\[{]", content):
        raise DataError([f"{name}: not a table: one array of JSON; allowed: JSON lines, an object on each"])
    if content.lstrip()[:1] == b"{" or Path(name).suffix.lower() in (".jsonl", ".ndjson"):
        frame, lines = _json_lines(name, content)
        return replace(_typed(frame, name, may_be_nameless, lines), notes=notes)
    return _delimited(name, content, declared, target, may_be_nameless, notes)


def _large(member: Member, declared: TableFormat, target: str, may_be_nameless: bool, folder: Path) -> Piece | None:
    """A large file that need not be read whole; None of another, which has to be, and of one with something wrong."""
    name, path = member
    if isinstance(path, bytes):
        return None
    if columns := large.of(path, name):
        return _typed(columns, name, may_be_nameless)
    with reading(path, "a file"), path.open("rb") as file:
        start = large.head(file, declared.encoding, declared.comment)
        if start is None or begins_as(start) or re.match(rb"\s*[\[{]", start):
            return None
        if Path(name).suffix.lower() in (".jsonl", ".ndjson"):
            return None
        try:
            found = dialect.find(start, declared, target, name)
            _check_names(name, found.names, may_be_nameless)
        except DataError:
            return None  # it may be of another encoding
        begin = _after_blank_lines(start, found.body)
        if begin == len(start) or found.delimiter == " ":
            return None
        line = found.line + start.count(b"\n", found.body, begin)
        file.seek(file.tell() + begin)
        return _by_pieces(file, replace(found, line=line), name, folder)


def _by_pieces(file: IO[bytes], found: dialect.Dialect, name: str, folder: Path) -> Piece | None:
    """The rows of a text whose cells are left in the folder; None if it has to be read whole."""
    parts: list[Path] = []
    lines: list[NDArray[np.int64]] = []
    line, last = found.line, b""
    for number, body in enumerate(large.pieces(file)):
        if body is None:
            return None
        begin = _after_blank_lines(body, 0)
        line, last = line + body.count(b"\n", 0, begin), body[-1:]
        if not (body := body[begin:]):
            continue
        records = scan(body, found.delimiter)
        if not _is_regular(body, records, found.delimiter) or _ragged(body, records, found).size:
            return None
        try:
            frame = _cells(body, found.delimiter, len(found.names), True, name)
        except DataError:
            return None
        if frame.height != len(records.ends):
            return None
        blank = _blank(body, records)
        frame = frame.filter(pl.Series(~blank)).rename(dict(zip(frame.columns, found.names, strict=True)))
        folder.mkdir(exist_ok=True)
        parts.append(folder / f"{sha256(name.encode()).hexdigest()[:16]}-{number}.arrow")
        with named_in_errors(parts[-1]):
            frame.write_ipc(parts[-1])
        lines.append((records.lines + line)[~blank])
        line += body.count(b"\n")
    together = np.concatenate(lines) if lines else np.empty(0, np.int64)
    notes = (_unended(name),) if file.tell() > LONG and last != b"\n" else ()
    return Piece(large.spilled(parts, found.names, len(together), name), together, notes)


def _unended(name: str) -> str:
    return f"{name}: its last line does not end; if the file was cut off there, get it whole"


def _typed(frame: large.Frame, name: str, may_be_nameless: bool, lines: Lines = None) -> Piece:
    names = [name_of(column) for column in frame.columns]
    _check_names(name, names, may_be_nameless)
    return Piece(frame.rename(dict(zip(frame.columns, names, strict=True))), lines)


def _check_names(where: str, names: Sequence[str], may_be_nameless: bool) -> None:
    violations = [
        f"{where}: column {name!r} is there more than once; allowed: each name once"
        for name in sorted({name for name in names if name and names.count(name) > 1})
    ]
    nameless = [f"column {number}" for number, name in enumerate(names, 1) if not name]
    if nameless and not (may_be_nameless and len(nameless) == 1):
        remedy = 'leave it out by trainer.data.columns: {"": drop}' if len(nameless) == 1 else "name them"
        violations.append(
            f"{where}: columns without a name: {len(nameless)} ({few(nameless)}); {remedy} "
            "(pandas writes its index so, unless to_csv has index=False)"
        )
    if violations:
        raise DataError(violations)


# JSON lines


def _json_lines(name: str, content: bytes) -> tuple[pl.DataFrame, Lines]:
    given = [number for number, line in enumerate(content.split(b"\n"), 1) if line.strip()]
    try:
        frame = pl.read_ndjson(BytesIO(content), infer_schema_length=None)
    except Exception as error:  # polars has no base class of its errors
        reason = " ".join(str(error).split())
        raise DataError(_faults_of_json(name, content) or [f"{name}: not JSON lines: {reason}"]) from error
    if faults := _faults_of_json(name, content) if frame.height != len(given) or _may_repeat(content, frame) else []:
        raise DataError(faults)
    return frame, np.array(given)


def _may_repeat(content: bytes, frame: pl.DataFrame) -> bool:
    """Whether an object may have a name twice, of which polars takes one: there are more of them than values."""
    return any(
        len(re.findall(re.escape(json.dumps(column, ensure_ascii=False).encode()) + rb"\s*:", content))
        + frame[column].null_count()
        > frame.height
        for column in frame.columns
    )


def _faults_of_json(name: str, content: bytes) -> list[str]:
    faults = []
    for number, line in enumerate(content.split(b"\n"), 1):
        try:
            value = json.loads(line, object_pairs_hook=_once, parse_constant=_no_number) if line.strip() else {}
            fault = None if isinstance(value, dict) else "not an object"
        except ValueError as error:
            fault = f"not JSON: {error}"
        except RecursionError:
            fault = "not JSON: too deep"
        if fault:
            faults.append(f"{name}, line {number}: {fault}; allowed: {{name: value, …}} on each line")
    return faults[:5]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, _ in pairs if [other for other, _ in pairs].count(key) > 1)
        raise ValueError(f"{twice!r} is there more than once")
    return found


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is none of its numbers; a gap is null")


# delimited text


def _delimited(
    name: str, content: bytes, declared: TableFormat, target: str, may_be_nameless: bool, notes: tuple[str, ...]
) -> Piece:
    """The rows of a text in UTF-8."""
    if len(content) > LONG and not content.endswith(b"\n"):
        notes += (_unended(name),)
    content = dialect.without_comments(content, declared.comment)
    found = dialect.find(content, declared, target, name)
    _check_names(name, found.names, may_be_nameless)
    start = _after_blank_lines(content, found.body)  # by its first line polars tells how many columns there are
    begin = found.line + content.count(b"\n", found.body, start)
    found, body = replace(found, line=begin), content[start:] if start else content
    del content
    body, records, is_quoted = _regular(body, found, name)
    frame = _cells(body, found.delimiter, len(found.names), is_quoted, name)
    if frame.height != len(records.ends):
        raise DataError([f"{name}: {counted(len(records.ends), 'row')} by its lines, but {frame.height} by its cells"])
    lines = records.lines + found.line
    blank = _blank(body, records)
    if blank.any():
        frame, lines = frame.filter(pl.Series(~blank)), lines[~blank]
    return Piece(frame.rename(dict(zip(frame.columns, found.names, strict=True))), lines, notes)


def _after_blank_lines(content: bytes, start: int) -> int:
    blank = re.compile(rb"(?:[ \r]*\n)*").match(content, start)
    return blank.end() if blank else start


def _cells(body: bytes, delimiter: str, width: int, is_quoted: bool, name: str) -> pl.DataFrame:
    schema = {str(number): pl.String() for number in range(width)}
    if not body:
        return pl.DataFrame(schema=schema)
    with reading(Path(name), "a CSV file"):
        return pl.read_csv(
            body, has_header=False, separator=delimiter, quote_char='"' if is_quoted else None, schema=schema
        )


def _regular(body: bytes, found: dialect.Dialect, name: str) -> tuple[bytes, Records, bool]:
    """The rows, as they are or rewritten, that all have the header's cells; and whether quotes are quotes in them."""
    records = scan(body, found.delimiter)
    if _is_regular(body, records, found.delimiter):
        _check_width(body, records, found, name)
        return body, records, True
    try:
        again = rewritten(body, found.delimiter)
        records = scan(again, found.delimiter)
        _check_width(again, records, found, name)
        return again, records, True
    except (csv.Error, DataError) as error:
        plain = scan(body, found.delimiter, is_quoted=False)
        opens = re.search(rf'(?m)(?:^|{re.escape(found.delimiter)}) *"'.encode(), body)
        if isinstance(error, csv.Error) and not opens and not _ragged(body, plain, found).size:
            return body, plain, False
        if isinstance(error, DataError):
            raise
        at = records.misquoted if records.misquoted is not None else body.rindex(b'"')
        line = body.count(b"\n", 0, at) + found.line
        what = f"{name}, line {line}: a quote is not closed, or does not enclose a whole cell"
        raise DataError([f'{what} ({error}); allowed: "…" around a cell, "" for a quote within it']) from error


def _is_regular(body: bytes, records: Records, delimiter: str) -> bool:
    """Whether quotes enclose whole cells alone. A quote after a space may do so too: then the space is no character."""
    return delimiter != " " and records.misquoted is None and f'{delimiter} "'.encode() not in body


def _blank(body: bytes, records: Records) -> NDArray[np.bool_]:
    """Which records are empty lines."""
    blank = np.zeros(len(records.ends), bool)
    starts = np.concatenate([[0], records.ends[:-1] + 1])
    for record in np.flatnonzero((records.cells == 1) | (records.ends - starts <= 1)).tolist():
        blank[record] = not body[starts[record] : records.ends[record]].strip(b" \r")
    return blank


def _ragged(body: bytes, records: Records, found: dialect.Dialect) -> NDArray[np.intp]:
    wrong = records.cells != len(found.names)
    return np.flatnonzero(wrong & ~_blank(body, records)) if wrong.any() else np.empty(0, np.intp)


def _check_width(body: bytes, records: Records, found: dialect.Dialect, name: str) -> None:
    ragged = _ragged(body, records, found)
    if not ragged.size:
        return
    first, last = int(ragged[0]), len(records.ends) - 1
    line = int(records.lines[first]) + found.line
    has = f"has {records.cells[first]}"
    if first == last and records.cells[last] < len(found.names) and not body.endswith(b"\n"):
        reason = f"{has} of the header's {counted(len(found.names), 'cell')}: the file is cut off there; get it whole"
        raise DataError([f"{name}, line {line}: the last row {reason}"])
    raise DataError(
        [
            f"{name}: {counted(len(ragged), 'row')} without the header's {counted(len(found.names), 'cell')}; "
            f"the first: line {line} "
            f"{has}; if cells are not separated by {_named(found.delimiter)!r}, write trainer.data.table.delimiter"
        ]
    )


def _named(delimiter: str) -> str:
    return next(name for name, mark in dialect.DELIMITERS.items() if mark == delimiter)
