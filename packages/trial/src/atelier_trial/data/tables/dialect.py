"""How a text file of a table is written: its encoding, delimiter and header, as declared or found by looking."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from dataclasses import dataclass
from io import StringIO
from itertools import islice

from atelier_store.spec import TableFormat
from atelier_store.tables import name as name_of
from atelier_store.tables import spelling

from atelier_trial.data.errors import DataError

DELIMITERS = {",": ",", ";": ";", "tab": "\t", "|": "|", "space": " "}
SAMPLE = 1_000_000
"""Bytes that are looked at."""

RECORDS = 200
"""Records that are looked at."""

MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""Byte-order marks, those of UTF-32 before those of UTF-16, which they begin with."""

FALLBACK = "cp1252"
"""What is no UTF-8 is taken for what most programs of Windows write."""


@dataclass(frozen=True)
class Dialect:
    """names are the header's; body is where the rows begin, in bytes, and line is the line there, from 1."""

    delimiter: str
    names: list[str]
    body: int
    line: int


def decode(content: bytes, encoding: str | None, where: str) -> tuple[bytes, tuple[str, ...]]:
    """The text as UTF-8 with lines that end in a line feed, and a note if its encoding was guessed.

    DataError if it is not in the encoding.
    """
    mark, marked = next(((mark, name) for mark, name in MARKS.items() if content.startswith(mark)), (b"", None))
    notes: tuple[str, ...] = ()
    while mark and content.startswith(mark):  # a file that was put together from several has more
        content = content[len(mark) :]
    used = encoding or marked or _unmarked(content)
    if not is_known(used):
        raise DataError([f"trainer.data.table.encoding: {used!r} is unknown; allowed: such as utf-8, cp1252, utf-16"])
    if not is_valid(content, used):
        if encoding or marked:
            raise DataError([_undecodable(content, used, where)])
        used = FALLBACK
        if not is_valid(content, used):
            raise DataError([_undecodable(content, "utf-8", where)])
        notes = (
            f"{where}: not in UTF-8, read as {used} (Windows); if words look wrong, write trainer.data.table.encoding",
        )
    if codecs.lookup(used).name not in ("utf-8", "ascii"):
        content = content.decode(used).encode()
    if b"\r" in content and b"\n" not in content:
        content = content.replace(b"\r", b"\n")
    return content, notes


def is_known(encoding: str) -> bool:
    """Whether there is an encoding of this name."""
    try:
        return bool(codecs.lookup(encoding)._is_text_encoding)
    except LookupError:
        return False


def _unmarked(content: bytes) -> str:
    """UTF-16 without a mark shows itself by the zeros in it."""
    start = content[:1000]
    if start.count(0) * 3 < len(start) or not start:
        return "utf-8"
    return "utf-16-be" if start[::2].count(0) > start[1::2].count(0) else "utf-16-le"


def is_valid(content: bytes, encoding: str) -> bool:
    """Whether the whole content is in the encoding."""
    if content.isascii() and codecs.lookup(encoding).name in ("utf-8", "ascii", "cp1252", "iso8859-1"):
        return True
    decoder = codecs.getincrementaldecoder(encoding)()
    view = memoryview(content)
    try:
        for start in range(0, len(content), SAMPLE):
            decoder.decode(view[start : start + SAMPLE])
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True


def _undecodable(content: bytes, encoding: str, where: str) -> str:
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        place = f"byte 0x{content[error.start]:02x} on line {line}"
        return f"{where}: not in {encoding}: {place}; write its encoding in trainer.data.table.encoding, such as cp1252"
    raise AssertionError("it can be decoded")


def without_comments(content: bytes, comment: str | None) -> bytes:
    """The text with empty lines in place of comments: lines that begin with a declared character, or a # on top."""
    if comment is not None:
        return re.sub(rb"(?m)^" + re.escape(comment.encode()) + rb"[^\n]*", b"", content)
    if not (head := re.match(rb"(?:[ \t]*\r?\n)*#[^\n]*\n(?:(?:#[^\n]*|[ \t\r]*)\n)*", content)):
        return content
    return b"\n" * head[0].count(b"\n") + content[head.end() :]


def find(content: bytes, declared: TableFormat, target: str, where: str) -> Dialect:
    """The dialect of a text in UTF-8 without comments. DataError if it is empty, or has no header that can be read."""
    sample = content[:SAMPLE].decode(errors="ignore")
    if not sample.strip():
        raise DataError([f"{where}: is empty; allowed: a header and rows"])
    marks = [DELIMITERS[declared.delimiter]] if declared.delimiter else list(DELIMITERS.values())
    is_whole = len(content) <= SAMPLE
    delimiter = max(marks, key=lambda mark: _fitness(sample, mark, target, is_whole))
    skipped = len(sample) - len(sample.lstrip("\r\n \t" if delimiter != "\t" else "\r\n "))
    lines = sample[:skipped].count("\n")
    begin = sample.rindex("\n", 0, skipped) + 1 if lines else 0
    reader = _reader(sample[begin:], delimiter)
    try:
        first = [name_of(cell) for cell in next(reader)]
    except csv.Error as error:
        raise DataError([f"{where}, line {lines + 1}: not a header: {error}"]) from error
    numbered = [f"column {number}" for number in range(1, len(first) + 1)]
    has_header = declared.header if declared.header is not None else target in first or target not in numbered
    start = len(sample[:begin].encode())
    if not has_header:
        return Dialect(delimiter, numbered, start, lines + 1)
    for _ in range(reader.line_num):
        start = content.find(b"\n", start) + 1 or len(content)
    return Dialect(delimiter, first, start, lines + reader.line_num + 1)


def _reader(text: str, delimiter: str):  # type: ignore[no-untyped-def]  # its type has no name
    return csv.reader(StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=delimiter != "\t", strict=True)


def _fitness(sample: str, delimiter: str, target: str, is_whole: bool) -> tuple[bool, bool, float, int]:
    """How well a delimiter fits: the target is in the header; there are several cells, as many in each record."""
    records = []
    try:
        for record in islice(_reader(sample, delimiter), RECORDS + 1):
            if any(cell.strip() for cell in record):
                records.append(record)
    except csv.Error:
        pass  # what was read before the fault says enough
    if len(records) > RECORDS or (len(records) > 1 and not is_whole):
        records = records[:-1]  # which may be cut
    if not records:
        return False, False, 0, 0
    cells = len(records[0])
    same = Counter(map(len, records))[cells] / len(records)
    named = target in [spelling(cell).strip() for cell in records[0]]
    return named and cells > 1, cells > 1, same, cells
