"""What lies in a folder or in an archive."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from atelier_trial.data.files import walk

LITTER = (".DS_Store", "Thumbs.db", "desktop.ini")
"""What file managers leave behind, with __MACOSX/ and ._*."""


class Entry(NamedTuple):
    """A name in a folder or archive. A folder's ends in /; content is None if it is no file either: a broken link."""

    name: str
    content: bytes | None


def entries(path: Path) -> Iterator[Entry]:
    """Everything in a folder, .zip or .tar archive (compressed or not); raises whatever reading a broken one raises."""
    if path.is_dir():
        return _in_folder(path)
    with path.open("rb") as file:
        start = file.read(6)
    return _in_zip(path) if start.startswith(b"PK") else _in_tar(path, start)


def _in_folder(folder: Path) -> Iterator[Entry]:
    for path in walk(folder):
        name = os.fsencode(path.relative_to(folder).as_posix()).decode(errors="surrogateescape")
        if path.is_dir():
            yield Entry(f"{name}/", None)
        else:
            yield Entry(name, path.read_bytes() if path.is_file() else None)


def _in_zip(path: Path) -> Iterator[Entry]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            name = _zip_name(info)
            yield Entry(name, None if name.endswith("/") else archive.read(info))  # which checks its CRC


def _zip_name(info: zipfile.ZipInfo) -> str:
    """With / between folders, which Windows may write as \\; many programs write UTF-8 without saying so."""
    name = info.filename
    if not info.flag_bits & 0x800:
        with contextlib.suppress(UnicodeError):  # else code page 437, as the format has it
            name = name.encode("cp437").decode()
    return name.replace("\\", "/")


def _in_tar(path: Path, start: bytes) -> Iterator[Entry]:
    with _decompressed(path, start) as stream, tarfile.open(fileobj=stream, mode="r:", encoding="utf-8") as archive:
        for member in archive:
            yield Entry(f"{member.name}/" if member.isdir() else member.name, _in_member(archive, member))
        _check_end(stream, archive)


def _decompressed(path: Path, start: bytes) -> IO[bytes] | gzip.GzipFile:
    if start.startswith(b"\x1f\x8b"):
        return gzip.open(path)
    if start.startswith(b"BZh"):
        return bz2.open(path)
    return lzma.open(path) if start.startswith((b"\xfd7zXZ", b"]\0\0")) else path.open("rb")


def _in_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | None:
    try:
        file = archive.extractfile(member)  # of a link: what it leads to
    except KeyError:
        return None
    return None if file is None else file.read()


def _check_end(stream: IO[bytes] | gzip.GzipFile, archive: tarfile.TarFile) -> None:
    """ValueError unless the archive ends as a tar does, in zeros. Reading them lets gzip, bzip2 and xz check all."""
    stream.seek(archive.offset)
    rest = stream.read(tarfile.BLOCKSIZE)
    if len(rest) < tarfile.BLOCKSIZE or any(rest):
        count = len(archive.getmembers())
        raise ValueError(f"torn or damaged: {count} entries are followed by neither another nor the end of the archive")
    while rest := stream.read(2**20):
        if any(rest):
            raise ValueError("there is more after the end of the archive; allowed: one archive")
