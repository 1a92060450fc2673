"""Folders and archives of pictures, with a sub-folder for each class. What is not used is noted."""

from __future__ import annotations

import contextlib
import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Sized
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import numpy as np
from atelier_store import tables
from atelier_store.spec import Data, PictureShape

from atelier_trial.data.archives import LITTER, Entry, entries
from atelier_trial.data.errors import DataError, gather, reading
from atelier_trial.data.raw import Part, RawData, few

if TYPE_CHECKING:
    from atelier_store.pictures import Look

Picture = TypeVar("Picture")

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
"""What a picture's name ends in: such a file has to be one. Others are pictures if their content is one."""

LONGEST, STEP = 64, 8
"""Pixels on a side that is chosen where pictures have several sizes: at most so many, and a multiple of so many."""

MOST_SKIPPED = 0.05
"""Of the pictures; where more cannot be read, something is wrong with all."""


def read(data: Data, files: Mapping[str, Path]) -> RawData:
    """The pictures (N, H, W) or (N, H, W, C) and the names of their classes.

    All have the size and the channels that the profile says, or those that suit the training pictures.
    """
    shape = data.image or PictureShape()
    may_skip = data.on_unreadable == "skip"
    looks = {path: _looks(path, is_whole=may_skip) for path in files.values()}
    taken = _taken(shape, looks[files["train"]].values())
    parts = gather(lambda path: _read(path, looks[path], shape, taken, may_skip), files)
    return RawData(parts["train"], parts.get("test"))


def _looks(path: Path, is_whole: bool) -> dict[str, Look]:
    """What every picture is like whose beginning can be read, or all of it; why others cannot is said later."""
    from atelier_store import pictures  # imports Pillow, which no other source needs

    found = _Found(path, partial(pictures.look, formats=pictures.FILE_FORMATS, is_whole=is_whole))
    with contextlib.suppress(DataError):
        found.add_all()
    return found.pictures


def _read(path: Path, looks: Mapping[str, Look], shape: PictureShape, taken: Taken, may_skip: bool) -> Part:
    """Every picture, or all but a few that cannot be read.

    Their order is that of their names' digests, so that the first N are a fair sample.
    """
    from atelier_store import pictures

    as_taken = partial(pictures.pixels, mode=taken.mode, size=taken.size, fit=shape.fit, formats=pictures.FILE_FORMATS)
    found = _Found(path, as_taken)
    found.add_all()
    names = sorted(found.pictures, key=lambda name: hashlib.sha256(name.encode(errors="surrogateescape")).digest())
    if violations := found.refused(may_skip) or _of_folders(path, names):
        raise DataError(violations)
    labels = [_label(PurePosixPath(name).parent.name) for name in names]
    x = np.stack([found.pictures[name] for name in names])
    changes = _changes([looks[name] for name in names if name in looks], shape, taken)
    notes = (*found.notes(), *(f"{path.name}: {change}" for change in changes))
    return Part(path.name, x, np.array(labels), [_shown(name) for name in names], notes)


# what they become


class Taken(NamedTuple):
    """What every picture becomes: Pillow's mode, the size (width, height), and whether that was chosen for them."""

    mode: str | None = None
    size: tuple[int, int] | None = None
    is_chosen: bool = False


def _taken(shape: PictureShape, looks: Collection[Look]) -> Taken:
    """As the profile says; what it leaves open is as in all pictures, or where they differ colour and a middle size."""
    if not looks:
        return Taken()
    is_grey = all(look.is_grey for look in looks) if shape.channels == "auto" else shape.channels == 1
    mode, sizes = "L" if is_grey else "RGB", [look.size for look in looks]
    if shape.size != "auto":
        return Taken(mode, (shape.size[1], shape.size[0]))
    is_chosen = len(set(sizes)) > 1
    return Taken(mode, _middle(sizes) if is_chosen else sizes[0], is_chosen)


def _middle(sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The median width and height, made smaller together to at most LONGEST, in multiples of STEP."""
    width, height = np.median(sizes, axis=0)
    scale = min(1, LONGEST / max(width, height)) / STEP
    return max(1, round(width * scale)) * STEP, max(1, round(height * scale)) * STEP


def _changes(looks: Collection[Look], shape: PictureShape, taken: Taken) -> Iterator[str]:
    """What of the pictures is not as it was in their files."""
    others = sorted((look.size for look in looks if look.size != taken.size), key=lambda size: size[0] * size[1])
    if others and taken.size:
        between = _words(others[0]) if len(set(others)) == 1 else f"{_words(others[0])} to {_words(others[-1])}"
        how = {"stretch": "stretched", "crop": "resized and cropped", "pad": "resized and padded with white"}[shape.fit]
        chosen = ", which trainer.data.image.size: auto chose by their medians" if taken.is_chosen else ""
        yield f"{_count(others, looks)} of height x width {between}: {how} to {_words(taken.size)}{chosen}"
    converted = [look for look in looks if look.is_grey != (taken.mode == "L")]
    if converted:
        yield f"{_count(converted, looks)} {'in colour: made grey' if taken.mode == 'L' else 'in grey: read as colour'}"
    if transparent := [look for look in looks if look.is_transparent]:
        yield f"{_count(transparent, looks)} with transparency: laid on white"
    if animated := [look for look in looks if look.has_frames]:
        yield f"{_count(animated, looks)} with several frames: only the first is used"


def _count(some: Sized, all_: Sized) -> str:
    return f"{len(some):,} of {len(all_):,} pictures"


def _words(size: tuple[int, int]) -> str:
    """The size of a picture as height x width, in the order of `trainer.data.image.size`."""
    return f"{size[1]} x {size[0]}"


# what there is


class _Found(Generic[Picture]):
    """What was found so far: pictures by name, as read makes them, and why anything else is not used."""

    def __init__(self, path: Path, read: Callable[[bytes], Picture]) -> None:
        self.path, self._read = path, read
        self.pictures: dict[str, Picture] = {}
        self.unreadable: dict[str, str] = {}
        self._folders: set[str] = set()
        self._left_out: dict[str, list[str]] = defaultdict(list)

    def add_all(self) -> None:
        """Add everything that is there. DataError if the archive is torn or damaged."""
        with reading(self.path, "a whole zip or tar archive", "zip", "gzip", "bzip2", "xz"):
            for entry in entries(self.path):
                self.add(entry)

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
        from atelier_store import pictures

        try:
            picture = self._read(content)
        except pictures.UnreadablePicture as error:
            if isinstance(error, pictures.UnknownFormat) and not name.lower().endswith(PICTURES):
                self._left_out["no pictures in a known format"].append(name)
            else:
                self.unreadable[name] = str(error)
            return
        if name in self.pictures:
            self._left_out["replaced by a later entry of the same name"].append(name)
        self.pictures[name] = picture

    def refused(self, may_skip: bool) -> list[str]:
        """A line for each picture that cannot be read; none if they are few and may be skipped."""
        lines = [f"{self.path}: {_shown(name)}: {reason}" for name, reason in self.unreadable.items()]
        if not may_skip:
            return lines
        count = len(lines) + len(self.pictures)
        if len(lines) <= MOST_SKIPPED * count:
            return []
        bound = f"at most {MOST_SKIPPED:.0%} where trainer.data.onUnreadable is skip"
        return [*lines, f"{self.path}: {len(lines)} of {count} pictures cannot be read; allowed: {bound}"]

    def notes(self) -> tuple[str, ...]:
        """What is left out, and why."""
        used = {str(PurePosixPath(name).parent) for name in self.pictures}
        roots = {str(PurePosixPath(folder).parent) for folder in used}
        empty = sorted(folder for folder in self._folders - used if str(PurePosixPath(folder).parent) in roots)
        skipped = {"cannot be read; trainer.data.onUnreadable is skip": list(self.unreadable)}
        reasons = {**self._left_out, **skipped, "classes without a picture": empty}
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


def _label(folder: str) -> str:
    return tables.spelling(_shown(folder))


def _shown(name: str) -> str:
    """A name as text: bytes that are not UTF-8 as \\xe9."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
