"""Large tables, of which a part of the rows, or one column, is in memory: Parquet, Arrow, and plain delimited text."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import polars as pl
from polars.selectors import by_name

from atelier_trial.data.errors import reading
from atelier_trial.data.tables import dialect

LARGE = 32 * 2**20
"""Bytes of a table's files; fewer are read whole."""

PIECE = 2**25
"""Bytes of a text that are read together."""

Read = Callable[[str], pl.Series]


@dataclass(frozen=True)
class Columns:
    """The columns of a large table as a frame has them, but that each is read when it is asked for."""

    kinds: dict[str, pl.DataType]
    height: int
    read: Read

    @property
    def columns(self) -> list[str]:
        """Their names."""
        return list(self.kinds)

    def __getitem__(self, name: str) -> pl.Series:
        return self.read(name)

    def empty(self, name: str) -> pl.Series:
        """A column of that type without cells."""
        return pl.Series(name, [], dtype=self.kinds[name])

    def select(self, names: Sequence[str]) -> Columns:
        """These columns, in this order."""
        return Columns({name: self.kinds[name] for name in names}, self.height, self.read)

    def rename(self, names: dict[str, str]) -> Columns:
        """The same columns under other names, all different."""
        old = {new: name for name, new in names.items()}
        kinds = {names[name]: kind for name, kind in self.kinds.items()}
        return Columns(kinds, self.height, lambda name: self.read(old[name]).alias(name))


Frame = pl.DataFrame | Columns


def of(path: Path, name: str) -> Columns | None:
    """The columns of a Parquet or Arrow file; None if it is of another format. DataError if it is torn."""
    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith(b"PAR1"):
        with reading(Path(name), "a whole Parquet file"):
            rows = _parquet(path).select(pl.len()).collect().item()
            return Columns(dict(pl.read_parquet_schema(path)), rows, lambda column: _of_parquet(path, name, column))
    if start.startswith(b"ARROW1"):
        with reading(Path(name), "a whole Arrow file"):
            rows = _arrow(path).select(pl.len()).collect().item()
            return Columns(dict(pl.read_ipc_schema(path)), rows, lambda column: _of_arrow([path], name, column))
    return None


def _parquet(path: Path) -> pl.LazyFrame:
    return pl.scan_parquet(path, glob=False, hive_partitioning=False)


def _arrow(path: Path) -> pl.LazyFrame:
    return pl.scan_ipc(path, glob=False, hive_partitioning=False)


def _of_parquet(path: Path, name: str, column: str) -> pl.Series:
    with reading(Path(name), "a whole Parquet file"):
        return _parquet(path).select(by_name(column)).collect().to_series()


def _of_arrow(paths: Sequence[Path], name: str, column: str) -> pl.Series:
    with reading(Path(name), "a whole Arrow file"):
        parts = [_arrow(path).select(by_name(column)).collect() for path in paths]
        return pl.concat(parts).to_series() if parts else pl.Series(column, [], dtype=pl.String())


def together(frames: Sequence[Frame]) -> Columns:
    """Frames of the same columns beneath each other, of whatever type holds the values of all."""
    names = frames[0].columns
    kinds = pl.concat([_none_of(frame) for frame in frames], how="vertical_relaxed").schema

    def read(name: str) -> pl.Series:
        return pl.concat([frame[name].to_frame() for frame in frames], how="vertical_relaxed").to_series()

    return Columns({name: kinds[name] for name in names}, sum(frame.height for frame in frames), read)


def _none_of(frame: Frame) -> pl.DataFrame:
    """A frame's columns without rows."""
    return frame.clear() if isinstance(frame, pl.DataFrame) else pl.DataFrame(list(map(frame.empty, frame.columns)))


def spilled(parts: Sequence[Path], names: Sequence[str], height: int, name: str) -> Columns:
    """The columns of texts in Arrow files, one beneath the other."""
    kinds: dict[str, pl.DataType] = {column: pl.String() for column in names}
    return Columns(kinds, height, lambda column: _of_arrow(parts, name, column))


# delimited text


def head(file: IO[bytes], encoding: str | None, comment: str | None) -> bytes | None:
    """The beginning of a text in UTF-8 without comments, after a mark; None if it is another, or may be."""
    start = file.read(2 * dialect.SAMPLE)
    marks = 0
    while start.startswith(codecs.BOM_UTF8, marks):
        marks += len(codecs.BOM_UTF8)
    file.seek(marks)
    start = start[marks:]
    is_utf8 = encoding is None or (dialect.is_known(encoding) and codecs.lookup(encoding).name == "utf-8")
    has_zeros = b"\0" in start[:1000]
    if not is_utf8 or has_zeros or comment is not None or re.match(rb"[ \t\r\n]*#", start) or b"\n" not in start:
        return None
    return start


def pieces(file: IO[bytes]) -> Iterator[bytes | None]:
    """The rest of a text in pieces of whole records; None for one with zeros, or no UTF-8, or a longer record.

    Their records are those of the whole, as long as quotes enclose whole cells: each piece says whether its own do.
    """
    rest = b""
    while True:
        more = file.read(PIECE)
        piece, rest = rest + more, b""
        if more:
            end = _end_of_records(piece)
            piece, rest = piece[:end], piece[end:]
        if piece:
            yield piece if b"\0" not in piece and dialect.is_valid(piece, "utf-8") else None
        elif more:
            yield None
        if not more:
            return


def _end_of_records(text: bytes) -> int:
    """Where the last whole record of a text ends, after a line feed that is in no quotes; 0 if it has none."""
    end = text.rfind(b"\n") + 1
    is_inside = text.count(b'"', 0, end) % 2 == 1
    while is_inside and end:
        before = text.rfind(b"\n", 0, end - 1) + 1
        is_inside = text.count(b'"', before, end) % 2 == 0
        end = before
    return end
