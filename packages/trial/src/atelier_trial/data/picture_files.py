"""Folders and archives of pictures, with a sub-folder for each class. What is not used is noted."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import lzma
import os
import tarfile
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

import numpy as np
from atelier_store import tables

from atelier_trial.data.errors import DataError, gather, reading
from atelier_trial.data.files import walk
from atelier_trial.data.raw import Array, Part, RawData, few

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
"""What a picture's name ends in: such a file has to be one. Others are pictures if their content is one."""

LITTER = (".DS_Store", "Thumbs.db", "desktop.ini")
"""What file managers leave behind, with __MACOSX/ and ._*."""


class Entry(NamedTuple):
    """A name in a folder or archive. A folder's ends in /; content is None if it is no file either: a broken link."""

    name: str
    content: bytes | None


def read(files: Mapping[str, Path]) -> RawData:
    """The pictures (N, H, W) or (N, H, W, C) and the names of their classes."""
    parts = gather(_read, files)
    return RawData(parts["train"], parts.get("test"))


def _read(path: Path) -> Part:
    """Every picture. Their order is that of their names' digests, so that the first N are a fair sample."""
    found = _Found(path)
    with reading(path, "a whole zip or tar archive", "zip", "gzip", "bzip2", "xz"):
        for entry in _entries(path):
            found.add(entry)
    names = sorted(found.pictures, key=lambda name: hashlib.sha256(name.encode(errors="surrogateescape")).digest())
    if violations := found.violations or _of_folders(path, names) or _of_shapes(path, found.pictures):
        raise DataError(violations)
    labels = [_label(PurePosixPath(name).parent.name) for name in names]
    x = np.stack([found.pictures[name] for name in names])
    return Part(path.name, x, np.array(labels), [_shown(name) for name in names], found.notes())


class _Found:
    """What was found so far: pictures by name, and why anything else is not used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pictures: dict[str, Array] = {}
        self.violations: list[str] = []
        self._folders: set[str] = set()
        self._left_out: dict[str, list[str]] = defaultdict(list)

    def add(self, entry: Entry) -> None:
        """Keep a picture, or why it is none."""
        name, parts = entry.name, PurePosixPath(entry.name).parts
        if "__MACOSX" in parts or (parts and (parts[-1] in LITTER or parts[-1].startswith("._"))):
            return
        if any(part.startswith(".") and part != "." for part in parts):
            self._left_out["hidden"].append(name)
        elif name.endswith("/"):
            self._folders.add(str(PurePosixPath(name)))
        elif entry.content is None:
            self._left_out["links to nothing, or neither files nor folders"].append(name)
        elif len([part for part in parts if part != "."]) < 2:
            self._left_out["not in the folder of a class"].append(name)
        else:
            self._picture(name, entry.content)

    def _picture(self, name: str, content: bytes) -> None:
        from atelier_store import pictures  # imports Pillow, which no other source needs

        try:
            pixels = pictures.pixels(content, formats=(*pictures.FORMATS, "PPM"))
        except pictures.UnreadablePicture as error:
            if isinstance(error, pictures.UnknownFormat) and not name.lower().endswith(PICTURES):
                self._left_out["no pictures in a known format"].append(name)
            else:
                self.violations.append(f"{self.path}: {_shown(name)}: {error}")
            return
        if name in self.pictures:
            self._left_out["replaced by a later entry of the same name"].append(name)
        self.pictures[name] = pixels

    def notes(self) -> tuple[str, ...]:
        """What is left out, and why."""
        used = {str(PurePosixPath(name).parent) for name in self.pictures}
        roots = {str(PurePosixPath(folder).parent) for folder in used}
        empty = sorted(folder for folder in self._folders - used if str(PurePosixPath(folder).parent) in roots)
        reasons = {**self._left_out, "classes without a picture": empty}
        return tuple(
            f"{self.path.name}: left out: {few([_shown(name) for name in names])} ({reason})"
            for reason, names in reasons.items()
            if names
        )


def _of_folders(path: Path, names: Sequence[str]) -> list[str]:
    if not names:
        return [f"{path}: no pictures in sub-folders by class; allowed: {' '.join(PICTURES)}"]
    roots = sorted({str(PurePosixPath(name).parent.parent) for name in names})
    if len(roots) == 1:
        return []
    return [
        f"{path}: classes lie below several folders: {few([_shown(root) for root in roots])}; "
        "allowed: one folder with a sub-folder for each class"
    ]


def _of_shapes(path: Path, pictures: Mapping[str, Array]) -> list[str]:
    """A line for each picture of another shape than most have; one line for all if there are many."""
    shapes = Counter(image.shape for image in pictures.values())
    usual = max(shapes, key=lambda shape: shapes[shape])
    others = sorted(name for name, image in pictures.items() if image.shape != usual)
    if len(others) <= 5:
        return [
            f"{path}: {_shown(name)}: shape {pictures[name].shape}; allowed: {usual}, as most pictures have"
            for name in others
        ]
    common = ", ".join(f"{count} of {shape}" for shape, count in shapes.most_common(3))
    grey = len({len(shape) for shape in shapes}) > 1 and " and all grey (H, W) or all in colour (H, W, 3)"
    return [
        f"{path}: pictures have {len(shapes)} shapes ({common}{', …' if len(shapes) > 3 else ''}); "
        f"allowed: one; resize them before to one height and width{grey or ''}; "
        f"others than {usual}: {few([_shown(name) for name in others])}"
    ]


def _label(folder: str) -> str:
    return tables.spelling(_shown(folder))


def _shown(name: str) -> str:
    """A name as text: bytes that are not UTF-8 as \\xe9."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


# where they are


def _entries(path: Path) -> Iterator[Entry]:
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
