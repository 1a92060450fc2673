"""The files of a data set: on disk, downloaded before, or to be downloaded; each with its sha256."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from atelier_store.files import sha256_file
from atelier_store.spec import Data, DataFile, public_url

from atelier_trial.data.downloads import download
from atelier_trial.data.errors import DataError, reading
from atelier_trial.data.progress import Progress, Tell

SCHEMES = ("https", "http", "s3")
"""Of urls that can be downloaded."""

LONGEST_NAME = 200
"""Bytes of the name of a file that is downloaded: what is written beside it has a longer one, and disks take 255."""

REQUIRED: dict[str, tuple[str, ...]] = {
    "sklearn": (),
    "npz": ("train",),
    "csv": ("train",),
    "table": ("train",),
    "images": ("train",),
    "idx": ("trainImages", "trainLabels"),
}
OPTIONAL: dict[str, tuple[str, ...]] = {
    "sklearn": (),
    "npz": ("validation", "test"),
    "csv": ("validation", "test"),
    "table": ("validation", "test"),
    "images": ("trainLabels", "validation", "validationLabels", "test", "testLabels"),
    "idx": ("validationImages", "validationLabels", "testImages", "testLabels"),
}
PAIRS = (("validationImages", "validationLabels"), ("testImages", "testLabels"))
"""Files of which there are both or none."""

LABELS = {"validationLabels": "validation", "testLabels": "test"}
"""Tables of labels, and the pictures that they are of: a table alone would not be looked at."""


class Stamp(NamedTuple):
    """Bytes of some files, and a digest of their names, sizes and times of change."""

    size: int
    digest: str


@dataclass(frozen=True)
class Located:
    """A file or folder of a data set, a pattern of several, or a file that is downloaded when it is needed.

    by_name is where a person, or release 0.1.0, may have put the file of a url; it is used if its content is right.
    """

    field: str
    path: Path
    url: str | None = None
    by_name: Path | None = None
    sha256: str | None = None
    may_be_pattern: bool = False
    headers_from: tuple[tuple[str, str], ...] = ()

    @property
    def here(self) -> Path:
        """Where there may be a file: path, unless there is one by name alone."""
        if self.by_name is not None and self.by_name.exists() and not self.path.exists():
            return self.by_name
        return self.path

    @property
    def size(self) -> int:
        """Bytes of the file, or of all files in the folder; 0 if it is not there."""
        return self.stamp().size

    def stamp(self) -> Stamp:
        """Of the files that are there."""
        size, digest = 0, hashlib.sha256()
        with reading(self.here, "a file or folder"):
            for path in walk(self.here) if self.here.is_dir() else expand(self.here):
                if path.is_file():
                    stat = path.stat()
                    size += stat.st_size
                    digest.update(os.fsencode(f"{path}\0{stat.st_size} {stat.st_mtime_ns}\n"))
        return Stamp(size, digest.hexdigest())

    def fetch(self, progress: Tell = lambda _: None) -> Path:
        """The path on disk, with the declared content, downloaded if need be. DataError if that fails."""
        if self.url is not None and self.sha256 is not None and not self.path.exists():
            if self.here.is_file():
                if sha256_file(self.here) == self.sha256:
                    return self.here
                progress(f"{self.here} has another content than {self.field}; downloading that to {self.path.parent} …")
            download(self.field, self.url, self.sha256, self.path, dict(self.headers_from), progress)
        if self.is_pattern:
            return self._fetch_pattern()
        if not self.path.exists():
            raise DataError([f"{self.field}: {self.path}: no such file or folder"])
        if not (self.path.is_file() or self.path.is_dir()):
            raise DataError([f"{self.field}: {self.path}: neither a file nor a folder"])
        if self.sha256 is not None:
            if self.path.is_dir():
                raise DataError([f"{self.field}: {self.path} is a folder; sha256 is for a file, leave it out"])
            _check(self.field, self.path, self.sha256)
        return self.path

    @property
    def is_pattern(self) -> bool:
        """Whether the path is that of several files, such as part-*.csv."""
        return self.may_be_pattern and not self.path.exists() and glob.has_magic(str(self.path))

    def _fetch_pattern(self) -> Path:
        if not expand(self.path):
            raise DataError([f"{self.field}: {self.path}: no file matches"])
        if self.sha256 is not None:
            raise DataError([f"{self.field}: {self.path} matches several files; sha256 is for a file, leave it out"])
        return self.path

    def content(self, progress: Tell = lambda _: None) -> str:
        """sha256 of the content: as declared, else of the file, or of the names and contents of several files."""
        if self.sha256 is not None:
            return self.sha256
        path = self.fetch()
        with reading(path, "a file or folder"):
            if self.is_pattern:
                return _sha256_files(expand(path), path.parent, progress)
            return sha256_file(path) if path.is_file() else _sha256_files(walk(path), path, progress)


def expand(path: Path) -> list[Path]:
    """The file or folder itself, or the files that match a pattern such as part-*.csv, in the order of their names."""
    if path.exists() or not glob.has_magic(str(path)):
        return [path]
    found = Path(path.anchor).glob(str(path.relative_to(path.anchor)))
    return sorted(file for file in found if file.is_file() and not file.name.startswith("."))


def words_of_size(count: float) -> str:
    """Bytes in words: 12 kB, 2.4 GB."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def _sha256_files(paths: Iterable[Path], folder: Path, tell: Tell) -> str:
    """Of the names, below the folder, and the contents of the files among paths."""
    digest, progress = hashlib.sha256(), Progress(tell, "hashed", f"files of {folder.name}")
    for file in paths:
        if file.is_file() and not file.name.startswith("."):
            digest.update(os.fsencode(f"{os.path.relpath(file, folder)}\0{sha256_file(file)}\n"))
            progress.step()
    return digest.hexdigest()


def walk(folder: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Every file and folder below a folder, through links to folders too; nothing that is in a hidden one.

    above are the folders that lead here. Raises OSError for a folder that cannot be read, DataError for a link to a
    folder that it lies in.
    """
    above = (*above, folder.resolve())
    for path in sorted(folder.iterdir(), key=lambda path: path.name):  # paths themselves are slow to compare
        yield path
        if path.is_dir() and not path.name.startswith("."):
            if path.resolve() in above:
                raise DataError([f"{path}: is a link to a folder that it lies in"])
            yield from walk(path, above)


def locate(data: Data, base: Path, downloads: Path) -> dict[str, Located]:
    """The path of each file of the data, by role. DataError with every violation in the profile's files."""
    required, optional = REQUIRED.get(data.source, ()), OPTIONAL.get(data.source, tuple(data.files))
    allowed = required + optional
    pairs = [pair for pair in PAIRS if set(pair) <= set(allowed) and set(pair) & set(data.files)]
    required += tuple(role for pair in pairs for role in pair)
    violations = [
        f"trainer.data.files.{role}: missing; source {data.source} needs it"
        for role in required
        if role not in data.files
    ]
    violations += [
        f"trainer.data.files.{pictures}: missing; {labels} are of it"
        for labels, pictures in LABELS.items()
        if data.source == "images" and labels in data.files and pictures not in data.files
    ]
    located = {}
    for role, file in data.files.items():
        field = f"trainer.data.files.{role}"
        if role not in allowed:
            violations.append(
                f"{field}: source {data.source} has no such file; allowed: {', '.join(allowed) or 'none'}"
            )
            continue
        reasons = _violations(file)
        violations += [f"{field}: {reason}" for reason in reasons]
        if not reasons:
            name = os.fsdecode((file.path or _name(file.url or "")).encode())  # as the locale has names of files
            sha256 = file.sha256.lower() if file.sha256 else None
            if file.url is None:
                located[role] = Located(field, base / name, sha256=sha256, may_be_pattern=data.source == "table")
            else:  # the folder of its content, since another url may end in the same name
                headers = tuple((file.headers_from or {}).items())
                path = downloads / str(sha256) / name
                located[role] = Located(field, path, file.url, downloads / name, sha256, headers_from=headers)
    if violations:
        raise DataError(violations)
    return located


def _violations(file: DataFile) -> list[str]:
    reasons = []
    if (file.path is None) == (file.url is None):
        reasons.append("exactly one of path and url is needed")
    if file.url is not None:
        reasons += _violations_of_url(file.url)
        if file.sha256 is None:
            reasons.append(f"url {public_url(file.url)} without sha256: say what its content must be")
    if file.headers_from and (file.url is None or file.url.startswith("s3:")):
        reasons.append("headersFrom goes with a url of https or http; allowed: none")
    if file.sha256 is not None and (len(file.sha256) != 64 or set(file.sha256.lower()) - set("0123456789abcdef")):
        reasons.append(f"sha256 {file.sha256!r} is not 64 hexadecimal digits")
    return reasons


def _violations_of_url(url: str) -> list[str]:
    try:
        scheme, shown = urlsplit(url).scheme, public_url(url)
    except ValueError as error:
        return [f"url is not one: {error}; allowed: such as https://host/folder/file"]
    if scheme not in SCHEMES:
        remedy = "else download it by other means, and give its path"
        return [f"url {shown}: scheme {scheme!r} is not supported; allowed: {', '.join(SCHEMES)}; {remedy}"]
    if scheme == "s3" and not urlsplit(url).netloc:
        return [f"url {shown} names no bucket; allowed: such as s3://bucket/folder/file"]
    if _name(url) in ("", ".."):
        return [f"url {shown} does not end in a file name"]
    if len(_name(url).encode()) > LONGEST_NAME:
        return [f"url {shown} ends in a file name of {len(_name(url).encode())} bytes; allowed: at most {LONGEST_NAME}"]
    return []


def _name(url: str) -> str:
    return Path(urlsplit(url).path).name


def _check(field: str, path: Path, expected: str) -> None:
    actual = sha256_file(path)
    if actual != expected:
        raise DataError([f"{field}: {path}: wrong sha256: expected {expected}, found {actual}"])
