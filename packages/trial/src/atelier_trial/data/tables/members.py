"""The files that make up one table: one, those of a folder, of an archive, or of a pattern; decompressed."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from atelier_trial.data.archives import LITTER, entries
from atelier_trial.data.errors import DataError, reading
from atelier_trial.data.files import expand
from atelier_trial.data.raw import few

if sys.version_info >= (3, 14):
    from compression import zstd as zstd
else:
    from backports import zstd as zstd

SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".data", ".parquet", ".feather", ".arrow", ".ipc", ".jsonl", ".ndjson")
"""What the name of a table ends in, that is taken from a folder or an archive."""

PACKED = (".gz", ".zst")
ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


class Member(NamedTuple):
    """A file of a table: its name as messages have it, and its content, decompressed."""

    name: str
    content: bytes


class Members(NamedTuple):
    """The files of a table, and the names of those beside them that are none."""

    files: list[Member]
    others: list[str]


def read(path: Path) -> Members:
    """The files of a table. DataError for what is not there, torn or of another format."""
    if path.is_dir() or _is_archive(path):
        found = _of_entries(path)
    else:
        found = Members([_unpacked(Member(file.name, _bytes(file)), file) for file in expand(path)], [])
    if not found.files:
        beside = f"; it has: {few(found.others)}" if found.others else ""
        raise DataError([f"{path}: no tables in it{beside}; allowed: {' '.join(SUFFIXES)}, also with .gz or .zst"])
    return found


def _bytes(path: Path) -> bytes:
    with reading(path, "a file"):
        return path.read_bytes()


def _is_archive(path: Path) -> bool:
    if path.name.lower().endswith(ARCHIVES):
        return True
    with reading(path, "a file"):
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(4) == b"PK\x03\x04"


def _of_entries(path: Path) -> Members:
    found = Members([], [])
    with reading(path, "a whole folder or archive of tables", "zip", "gzip", "bzip2", "xz"):
        for name, content in _visible(path):
            if PurePosixPath(_plain(name)).suffix.lower() in SUFFIXES:
                found.files.append(_unpacked(Member(name, content), path))
            else:
                found.others.append(name)
    if {"[Content_Types].xml", "xl/workbook.xml"} & set(found.others):
        raise DataError([f"{path}: an Excel workbook; allowed: its sheet saved as CSV, Parquet or JSON lines"])
    return Members(sorted(found.files), found.others)


def _visible(path: Path) -> Iterator[tuple[str, bytes]]:
    for entry in entries(path):
        parts = PurePosixPath(entry.name).parts
        hidden = "__MACOSX" in parts or any(part.startswith(".") or part in LITTER for part in parts)
        if entry.content is not None and not hidden:
            yield entry.name, entry.read()


def _plain(name: str) -> str:
    """The name without what its compression has added."""
    return name.rpartition(".")[0] if name.lower().endswith(PACKED) else name


def _unpacked(member: Member, path: Path) -> Member:
    """The member without gzip or zstd around it."""
    name, content = member
    with reading(path, "a whole gzip or zstd file", "gzip", "zstd", "zip"):
        if content.startswith(b"\x1f\x8b"):
            return Member(name, gzip.decompress(content))
        if content.startswith(b"\x28\xb5\x2f\xfd"):
            return Member(name, zstd.decompress(content))
    return member
