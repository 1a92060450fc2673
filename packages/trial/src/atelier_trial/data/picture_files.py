"""Folders and archives of pictures, with a sub-folder for each class. What is not used is noted."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import AbstractContextManager
from functools import cache, partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from atelier_store import machine, tables
from atelier_store.in_words import counted
from atelier_store.spec import Data, Fit, PictureShape
from numpy.typing import NDArray

from atelier_trial.ahead import ahead
from atelier_trial.data.archives import LITTER, Content, Entry, comparable, entries
from atelier_trial.data.errors import DataError, gather, reading
from atelier_trial.data.progress import Progress
from atelier_trial.data.raw import Array, Part, RawData, few

if TYPE_CHECKING:
    from atelier_store.pictures import Look, UnreadablePicture

Found = TypeVar("Found")

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
"""What a picture's name ends in: such a file has to be one. Others are pictures if their content is one."""

PHOTOS = (".heic", ".heif", ".avif", ".jxl", ".jp2", ".dng", ".cr2", ".cr3", ".nef", ".arw")
"""What photos of cameras and phones end in whose formats are not read. A person who has some of them has to know."""

LONGEST, STEP = 64, 8
"""Pixels on a side that is chosen where pictures have several sizes: at most so many, and a multiple of so many."""

ROLES = ("train", "validation", "test")
"""Of the folders and archives of pictures."""

MOST_SKIPPED = 0.05
"""Of the pictures; where more cannot be read, something is wrong with all."""


def read(data: Data, files: Mapping[str, Path], progress: Callable[[str], object]) -> RawData:
    """The pictures (N, H, W) or (N, H, W, C), not decoded yet, and the names of their classes.

    All have the size and the channels that the profile says, or those that suit the training pictures.
    """
    shape, may_skip = data.image or PictureShape(), data.on_unreadable == "skip"
    tables = {role: files[f"{role}Labels"] for role in ROLES if f"{role}Labels" in files}
    labels = gather(_labels, tables)
    roles = {role: role for role in ROLES if role in files}

    def find(is_whole: bool) -> dict[str, _Found]:
        return gather(lambda role: _Found(role, files[role], labels.get(role), progress, is_whole), roles)

    found = find(is_whole=may_skip)
    if not may_skip and any(each.unreadable for each in found.values()):  # whoever mends one wants to know of all
        found = find(is_whole=True)
    taken = _taken(shape, found["train"].looks.values())
    parts = gather(lambda each: _part(each, shape, taken, may_skip, progress), found)
    return RawData.of(parts)


def _labels(path: Path) -> dict[str, str]:
    from atelier_trial.data import picture_labels  # imports polars, which folders of classes do not need

    return picture_labels.read(path)


def _part(found: _Found, shape: PictureShape, taken: Taken, may_skip: bool, progress: Callable[[str], object]) -> Part:
    """Every picture, or all but a few that cannot be read.

    Their order is that of their names' digests, so that the first N are a fair sample.
    """
    path, looks = found.path, found.looks
    names = sorted(looks, key=lambda name: hashlib.sha256(name.encode(errors="surrogateescape")).digest())
    if violations := found.refused(may_skip) or found.misplaced():
        raise DataError(violations)
    labels = np.array([found.label(name) for name in names])
    changes = _changes(looks.values(), shape, taken)
    notes = (*found.notes(), *(f"{path.name}: {change}" for change in changes))
    return Part(path.name, Pictures(path, names, taken, shape.fit, progress), labels, list(map(_shown, names)), notes)


# how they are read


class Pictures:
    """Pictures of a folder or an archive, by their names: uint8 (N, H, W) or (N, H, W, C), decoded as they are read."""

    def __init__(
        self, path: Path, names: Sequence[str], taken: Taken, fit: Fit, progress: Callable[[str], object]
    ) -> None:
        self.dtype: np.dtype[Any] = np.dtype(np.uint8)
        self._path, self._names, self._taken, self._fit, self._progress = path, names, taken, fit, progress

    @property
    def shape(self) -> tuple[int, ...]:
        assert self._taken.size is not None
        width, height = self._taken.size
        return (len(self), height, width) if self._taken.mode == "L" else (len(self), height, width, 3)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> Pictures:
        chosen = np.arange(len(self))[rows].tolist()
        names = [self._names[row] for row in chosen]
        return Pictures(self._path, names, self._taken, self._fit, self._progress)

    def read(self) -> Iterator[tuple[int, Array]]:
        """The row and the pixels of each (1, …), in the order in which they lie there.

        DataError, after all were read, with each that cannot be.
        """
        from atelier_store import pictures

        mode, size = self._taken.mode, self._taken.size
        decode = partial(pictures.pixels, mode=mode, size=size, fit=self._fit, formats=pictures.FILE_FORMATS)
        rows, unreadable = {name: row for row, name in enumerate(self._names)}, []
        progress = Progress(self._progress, "decoded", f"pictures of {self._path.name}", len(rows))
        with _reading(self._path):
            for name, found in _each(decode, entries(self._path, rows.__contains__)):
                if isinstance(found, pictures.UnreadablePicture):
                    unreadable.append(_line(self._path, name, found))
                elif not unreadable:
                    yield rows[name], found[None]
                progress.step()
        if unreadable:
            raise DataError(unreadable)


def _each(
    function: Callable[[Content], Found], found: Iterable[Entry]
) -> Iterator[tuple[str, Found | UnreadablePicture]]:
    """The name of each file, and function(content) by as many threads as there are cores, or why it has none."""
    from atelier_store import pictures

    def tried(entry: Entry) -> tuple[str, Found | UnreadablePicture]:
        assert entry.content is not None
        try:
            return entry.name, function(entry.content)
        except pictures.UnreadablePicture as error:
            return entry.name, error

    return ahead(tried, found, machine.cores())


def _reading(path: Path) -> AbstractContextManager[None]:
    return reading(path, "a whole zip or tar archive", "zip", "gzip", "bzip2", "xz")


def _line(path: Path, name: str, why: object) -> str:
    return f"{path}: {_shown(name)}: {why}"


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
    return f"{len(some):,} of {counted(len(all_), 'picture')}"


def _words(size: tuple[int, int]) -> str:
    """The size of a picture as height x width, in the order of `trainer.data.image.size`."""
    return f"{size[1]} x {size[0]}"


# what there is


class _Found:
    """The pictures of a folder or archive with what each is like, and why anything else is not used.

    labels are those of a table, by paths; without one, folders name the classes. is_whole: each is decoded, else its
    header is read. DataError if the archive is torn or damaged.
    """

    def __init__(
        self, role: str, path: Path, labels: Mapping[str, str] | None, progress: Callable[[str], object], is_whole: bool
    ) -> None:
        from atelier_store import pictures  # imports Pillow, which no other source needs

        self.role, self.path, self._labels = role, path, labels
        self.looks: dict[str, Look] = {}
        self.unreadable: dict[str, str] = {}
        self._folders: set[str] = set()
        self._left_out: dict[str, list[str]] = defaultdict(list)
        looks: dict[Look, Look] = {}  # many are alike
        look = partial(pictures.look, formats=pictures.FILE_FORMATS, is_whole=is_whole)
        looked_at = Progress(progress, "looked at", f"pictures of {path.name}")
        with _reading(path):
            for name, found in _each(look, filter(self._may_be_picture, entries(path))):
                if isinstance(found, pictures.UnreadablePicture):
                    self._none(name, found)
                else:
                    self._picture(name, looks.setdefault(found, found))
                looked_at.step()

    def _may_be_picture(self, entry: Entry) -> bool:
        """Whether this is a file of a class; what is not is kept."""
        name, parts = entry.name, PurePosixPath(entry.name).parts
        if "__MACOSX" in parts or (parts and (parts[-1] in LITTER or parts[-1].startswith("._"))):
            return False
        if any(part.startswith(".") and part != "." for part in parts):
            self._left_out["hidden"].append(name)
        elif name.endswith("/"):
            self._folders.add(str(PurePosixPath(name)))
        elif entry.content is None:
            self._left_out["links to nothing, or neither files nor folders"].append(name)
        elif self._labels is not None and comparable(name) not in self._labels:
            self._left_out["not in the table of labels"].append(name)
        elif self._labels is None and len([part for part in parts if part != "."]) < 2:
            self._left_out["not in the folder of a class"].append(name)
        else:
            return True
        return False

    def _picture(self, name: str, look: Look) -> None:
        if name in self.looks:
            self._left_out["replaced by a later entry of the same name"].append(name)
        self.looks[name] = look

    def _none(self, name: str, why: UnreadablePicture) -> None:
        from atelier_store import pictures

        is_claimed = self._labels is not None or name.lower().endswith((*PICTURES, *PHOTOS))
        if isinstance(why, pictures.UnknownFormat) and not is_claimed:
            self._left_out["no pictures in a known format"].append(name)
        else:
            self.unreadable[name] = str(why)

    def label(self, name: str) -> str:
        """The class of a picture, as the table has it, or its folder is called."""
        folder = PurePosixPath(name).parent.name
        return _label(folder if self._labels is None else self._labels[comparable(name)])

    def misplaced(self) -> list[str]:
        """A line for what is wrong with the places of the pictures."""
        if self._labels is None:
            return _of_folders(self.path, list(self.looks), self.role)
        lacks = sorted(self._labels.keys() - {comparable(name) for name in (*self.looks, *self.unreadable)})
        if not lacks:
            return []
        return [f"{self.path}: pictures of the table of labels are not there: {few([_shown(name) for name in lacks])}"]

    def refused(self, may_skip: bool) -> list[str]:
        """A line for each picture that cannot be read; none if they are few and may be skipped."""
        lines = [_line(self.path, name, reason) for name, reason in self.unreadable.items()]
        if not may_skip:
            return lines
        count = len(lines) + len(self.looks)
        if len(lines) <= MOST_SKIPPED * count:
            return []
        bound = f"at most {MOST_SKIPPED:.0%} where trainer.data.onUnreadable is skip"
        return [*lines, f"{self.path}: {len(lines)} of {counted(count, 'picture')} cannot be read; allowed: {bound}"]

    def notes(self) -> tuple[str, ...]:
        """What is left out, and why."""
        used = {str(PurePosixPath(name).parent) for name in self.looks}
        roots = {str(PurePosixPath(folder).parent) for folder in used}
        unused = self._folders - used if self._labels is None else set()
        empty = sorted(folder for folder in unused if str(PurePosixPath(folder).parent) in roots)
        skipped = {"cannot be read; trainer.data.onUnreadable is skip": list(self.unreadable)}
        reasons = {**self._left_out, **skipped, "classes without a picture": empty}
        return tuple(
            f"{self.path.name}: left out: {few([_shown(name) for name in names])} ({reason})"
            for reason, names in reasons.items()
            if names
        )


def _of_folders(path: Path, names: Sequence[str], role: str) -> list[str]:
    """What is wrong with folders that are to name the classes, where no table of labels is given."""
    instead = f"or pictures anywhere and a table of their labels, trainer.data.files.{role}Labels"
    if not names:
        wanted = f"a sub-folder of pictures ({' '.join(PICTURES)}) for each class"
        return [f"{path}: no pictures in sub-folders by class; allowed: {wanted}, {instead}"]
    roots = sorted({str(PurePosixPath(name).parent.parent) for name in names})
    folders = {PurePosixPath(name).parent.name for name in names}
    if len(roots) > 1:
        found = f"classes lie below several folders: {few([_shown(root) for root in roots])}"
        return [f"{path}: {found}; allowed: one folder with a sub-folder for each class, {instead}"]
    if len(folders) == 1 and role == "train":
        found = f"every picture is in the folder {_shown(*folders)!r}, so of one class; at least two are needed"
        return [f"{path}: {found}; allowed: a sub-folder for each class, {instead}"]
    return []


@cache
def _label(folder: str) -> str:
    return tables.spelling(_shown(folder))


def _shown(name: str) -> str:
    """A name as text: bytes that are not UTF-8 as \\xe9. The same object where there are none: names are many."""
    shown = name.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return name if shown == name else shown
