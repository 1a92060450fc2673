"""The CSV that a trial learns from and a server answers: one dialect, one kind of number, one spelling of a text."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Sequence
from io import StringIO
from typing import NamedTuple

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
NOT_IN_NUMBERS = re.compile(r"[^0-9.eE+-]")
"""Characters that no number contains. float() takes more than NUMBER does, so cells are checked for them first."""

GAPS = frozenset({"", "na", "n/a", "#n/a", "#na", "<na>", "nan", "-nan", "null", "nil", "none", "?"})
"""Cells of a table that mean a gap, in lower case; a file may declare others instead."""


class UnreadableTable(ValueError):
    """The message says why; it reads on after "not CSV:"."""


class Line(NamedTuple):
    """One row of a table, and the line of the text that it begins on."""

    number: int
    cells: list[str]


def lines(content: bytes) -> list[Line]:
    """Every row of a CSV in UTF-8, with or without a byte-order mark; cells without spaces around, in `spelling`.

    Cells are separated by commas, and quoted with " also after spaces; empty lines are skipped. Raises UnreadableTable.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, byte = error.object.count(b"\n", 0, error.start) + 1, error.object[error.start]
        raise UnreadableTable(f"not UTF-8: byte 0x{byte:02x} on line {line}") from error
    reader = csv.reader(StringIO(spelling(text), newline=""), strict=True, skipinitialspace=True)
    rows, begins = [], 1
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if cells not in ([], [""]):
                rows.append(Line(begins, cells))
            begins = reader.line_num + 1
    except csv.Error as error:
        raise UnreadableTable(f"line {begins}: {error}") from error
    return rows


def floats(cells: Sequence[str]) -> list[float] | None:
    """The numbers in cells; None if one holds anything else: text, nothing, nan, or digits that are not ASCII."""
    if NOT_IN_NUMBERS.search("".join(cells)):
        return None
    try:
        return list(map(float, cells))
    except ValueError:
        return None


def is_gap(cell: str) -> bool:
    """Whether a cell without spaces around it, in any case of letters, is one of GAPS."""
    return cell.lower() in GAPS


def spelling(text: str) -> str:
    """The text in Unicode's form NFC, so that an é of one character and one of two are the same."""
    return unicodedata.normalize("NFC", text)
