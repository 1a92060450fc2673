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

EXACT = 2**53
"""Whole numbers below this one are told apart by floats."""

MARK = "\ufeff"
"""The byte-order mark, of which decoding takes away the first."""

GAPS = ("na", "n/a", "#n/a", "#na", "<na>", "nan", "-nan", "null", "nil", "none", "?")
"""Texts that mean a gap in a table, beside the empty one, in lower case; a profile may declare others instead."""


JOINERS = "\u200c\u200d"
"""Characters of several scripts, within words."""


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
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UnreadableTable(f"a zero byte on line {line}, as UTF-16 has: save it as UTF-8")
    text = text.lstrip(MARK)  # of a file that was put together from several
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


def spelling(text: str) -> str:
    """The text in Unicode's form NFC, so that an é of one character and one of two are the same."""
    return unicodedata.normalize("NFC", text)


def name(text: str) -> str:
    """A text that names a column or a class: in `spelling`, without spaces around; empty if nobody sees any of it."""
    spelt = spelling(text).strip()
    return spelt if spelt.isprintable() or any(map(_is_seen, spelt)) else ""


def seen(text: str) -> str:
    """The text without the characters that nobody sees, such as a zero-width space; those that join letters stay."""
    return (
        text if text.isprintable() else "".join(one for one in text if one.isspace() or one in JOINERS or _is_seen(one))
    )


def _is_seen(character: str) -> bool:
    return not character.isspace() and unicodedata.category(character) not in ("Cc", "Cf")
