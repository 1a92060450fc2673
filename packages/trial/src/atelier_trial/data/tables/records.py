"""The records of a CSV's rows: the line of each, and whether cells and quotes are as they should be."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from io import StringIO

import numpy as np
from numpy.typing import NDArray

WIDTH = 2**25
"""Bytes that are looked at together."""

LINE_FEED, RETURN, QUOTE = b"\n"[0], b"\r"[0], b'"'[0]


@dataclass(frozen=True)
class Records:
    """Of each record: where it ends, its line (from 0), its cells. misquoted is the place of the first wrong quote."""

    ends: NDArray[np.int64]
    lines: NDArray[np.int64]
    cells: NDArray[np.int64]
    misquoted: int | None

    def start(self, record: int) -> int:
        """Where a record begins."""
        return int(self.ends[record - 1]) + 1 if record else 0


def scan(content: bytes, delimiter: str, is_quoted: bool = True) -> Records:
    """The records of a text that begins with its rows. Quotes enclose whole cells, twice within one they are one."""
    buffer = np.frombuffer(content, np.uint8)
    ends, lines, cells = [], [], []
    quotes_before = delimiters_before = lines_before = 0
    misquoted = None
    for start in range(0, len(buffer), WIDTH):
        part = buffer[start : start + WIDTH]
        feeds, marks = np.flatnonzero(part == LINE_FEED), np.flatnonzero(part == ord(delimiter))
        quotes = np.flatnonzero(part == QUOTE) if is_quoted else np.empty(0, np.int64)
        ending = feeds
        if quotes.size or quotes_before % 2:
            ending = feeds[(np.searchsorted(quotes, feeds) + quotes_before) % 2 == 0]
            marks = marks[(np.searchsorted(quotes, marks) + quotes_before) % 2 == 0]
        if misquoted is None:
            misquoted = _misquoted(buffer, quotes + start, quotes_before, delimiter)
        ends.append(ending + start)
        lines.append(lines_before + np.searchsorted(feeds, ending) + 1)
        cells.append(delimiters_before + np.searchsorted(marks, ending))
        quotes_before, delimiters_before = quotes_before + quotes.size, delimiters_before + marks.size
        lines_before += feeds.size
    if misquoted is None and quotes_before % 2:
        misquoted = content.rindex(b'"')
    if len(content) and (content[-1] != LINE_FEED or quotes_before % 2):  # the last record has no line feed
        ends.append(np.array([len(content)]))
        lines.append(np.array([0]))
        cells.append(np.array([delimiters_before]))
    after = np.concatenate([[0], *lines])[:-1].astype(np.int64)
    total = np.concatenate([[0], *cells]).astype(np.int64)
    return Records(np.concatenate([np.empty(0), *ends]).astype(np.int64), after, np.diff(total) + 1, misquoted)


def _misquoted(buffer: NDArray[np.uint8], quotes: NDArray[np.int64], before: int, delimiter: str) -> int | None:
    """The place of the first quote that opens within a cell, or of one whose next does not end its cell."""
    if not quotes.size:
        return None
    opens = (np.arange(quotes.size) + before) % 2 == 0
    beside = np.where(opens, quotes - 1, quotes + 1)
    outside = (beside < 0) | (beside >= len(buffer))
    character = buffer[np.clip(beside, 0, len(buffer) - 1)]
    fits = outside | np.isin(character, [LINE_FEED, RETURN, QUOTE, ord(delimiter)])
    if fits.all():
        return None
    wrong = int((~fits).argmax())
    return int(quotes[wrong if opens[wrong] else max(wrong - 1, 0)])  # one that closes too early opened too early


def rewritten(content: bytes, delimiter: str) -> bytes:
    """The same rows on the same lines, with quotes around whole cells alone. csv.Error where that cannot be.

    For files with spaces before quotes or between cells, or with quotes within cells.
    """
    text = StringIO(content.decode(), newline="")
    reader = csv.reader(text, delimiter=delimiter, skipinitialspace=delimiter != "\t", strict=True)
    out = StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    for row in reader:
        if delimiter == " " and len(row) > 1 and row[-1] == "":
            row.pop()  # spaces at the end of a line
        if any(row):
            writer.writerow(row)
        else:
            out.write("\n")
    return out.getvalue().encode()
