"""What lies in a folder or in an archive."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from atelier_store.tables import spelling

from atelier_trial.data.files import walk

LITTER = (".DS_Store", "Thumbs.db", "desktop.ini")
"""What file managers leave behind, with __MACOSX/ and ._*."""


Content = bytes | Path
"""Of a file: its bytes, or where it is if it lies in a folder."""


class Entry(NamedTuple):
    """A name in a folder or archive. A folder's ends in /; content is None if it is no file either: a broken link."""

    name: str
    content: Content | None

    def read(self) -> bytes:
        """The bytes of a file. OSError."""
        assert self.content is not None
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()


def entries(path: Path, wanted: Callable[[str], bool] = lambda _: True) -> Iterator[Entry]:
    """Everything wanted in a folder, .zip or .tar archive (compressed or not), by its name; one entry is in memory.

    Raises whatever reading a broken one raises.
    """
    if path.is_dir():
        return _in_folder(path, wanted)
    with path.open("rb") as file:
        start = file.read(6)
    return _in_zip(path, wanted) if start.startswith(b"PK") else _in_tar(path, start, wanted)


def comparable(name: str) -> str:
    """A path below a folder as every system may spell it: with / between folders, without ./, in Unicode's form NFC."""
    return spelling(name.replace("\\", "/").strip()).removeprefix("./")


def _in_folder(folder: Path, wanted: Callable[[str], bool]) -> Iterator[Entry]:
    for path in walk(folder):
        name = os.fsencode(path.relative_to(folder).as_posix()).decode(errors="surrogateescape")
        is_folder = path.is_dir()
        name = f"{name}/" if is_folder else name
        if wanted(name):
            yield Entry(name, path if not is_folder and path.is_file() else None)


def _in_zip(path: Path, wanted: Callable[[str], bool]) -> Iterator[Entry]:
    with zipfile.ZipFile(path) as archive:
        check_start(archive)
        for info in archive.infolist():
            name = _zip_name(info)
            if wanted(name):
                yield Entry(name, None if name.endswith("/") else archive.read(info))  # which checks its CRC


def check_start(archive: zipfile.ZipFile) -> None:
    """ValueError if bytes stand before the first entry: of two zips one after the other, only the last has a table."""
    if first := min((info.header_offset for info in archive.infolist()), default=0):
        raise ValueError(f"{first:,} bytes stand before its first entry; allowed: one archive")


def _zip_name(info: zipfile.ZipInfo) -> str:
    """With / between folders, which Windows may write as \\; many programs write UTF-8 without saying so."""
    name = info.filename
    if not info.flag_bits & 0x800:
        with contextlib.suppress(UnicodeError):  # else code page 437, as the format has it
            name = name.encode("cp437").decode()
    return name.replace("\\", "/")


def _in_tar(path: Path, start: bytes, wanted: Callable[[str], bool]) -> Iterator[Entry]:
    with _decompressed(path, start) as stream, tarfile.open(fileobj=stream, mode="r:", encoding="utf-8") as archive:
        for member in archive:
            name = f"{member.name}/" if member.isdir() else member.name
            if wanted(name):
                yield Entry(name, _in_member(archive, member))
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
