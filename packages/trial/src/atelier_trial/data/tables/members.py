"""The files that make up one table: one, those of a folder, of an archive, or of a pattern; decompressed."""

from __future__ import annotations

import gzip
import os
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
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
ZIPS = (b"PK\x03\x04", b"PK\x05\x06")
"""What a zip begins with; the second is an empty one."""

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


class Member(NamedTuple):
    """A file of a table: its name as messages have it, and its content, decompressed, or where a large one is."""

    name: str
    content: bytes | Path


class Members(NamedTuple):
    """The files of a table, and the names of those beside them that are none."""

    files: list[Member]
    others: list[str]


def read(path: Path, at_once: int | None = None) -> Members:
    """The files of a table. DataError for what is not there, torn or of another format.

    Of files that are more bytes than at_once together, those that lie as they are are not read yet.
    """
    if path.is_dir() or _is_archive(path):
        found = _of_entries(path)
    else:
        files = expand(path)
        is_large = at_once is not None and sum(file.stat().st_size for file in files if file.is_file()) > at_once
        found = Members([_member(name, file, is_large) for name, file in _named(files).items()], [])
    if not found.files:
        beside = f"; it has: {few(found.others)}" if found.others else ""
        raise DataError([f"{path}: no tables in it{beside}; allowed: {' '.join(SUFFIXES)}, also with .gz or .zst"])
    return found


def _named(files: list[Path]) -> dict[str, Path]:
    """Files by their names, or by their paths below the folder that all are in, where two have the same name."""
    if len({file.name for file in files}) == len(files):
        return {file.name: file for file in files}
    common = Path(os.path.commonpath(files))
    return {file.relative_to(common).as_posix(): file for file in files}


def _member(name: str, path: Path, is_large: bool) -> Member:
    return Member(name, path) if is_large and not _is_packed(path) else whole(Member(name, path))


def whole(member: Member) -> Member:
    """The member with its content, decompressed."""
    name, content = member
    return _unpacked(name, _bytes(content), content) if isinstance(content, Path) else member


def _is_packed(path: Path) -> bool:
    with reading(path, "a file"), path.open("rb") as file:
        return file.read(4).startswith((GZIP, ZSTD))


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
            return file.read(4) in ZIPS


def _of_entries(path: Path) -> Members:
    found = Members([], [])
    with reading(path, "a whole folder or archive of tables", "zip", "gzip", "bzip2", "xz"):
        for name, content in _visible(path):
            if PurePosixPath(_plain(name)).suffix.lower() in SUFFIXES:
                if name in (file.name for file in found.files):
                    raise DataError([f"{path}: {name} is there more than once; allowed: each name once"])
                found.files.append(_unpacked(name, content, path))
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


def _unpacked(name: str, content: bytes, path: Path) -> Member:
    """A member without gzip or zstd around it."""
    with reading(path, "a whole gzip or zstd file", "gzip", "zstd", "zip"):
        if content.startswith(GZIP):
            return Member(name, gzip.decompress(content))
        if content.startswith(ZSTD):
            return Member(name, zstd.decompress(content))
    return Member(name, content)
