"""The files of a data set: on disk, downloaded before, or to be downloaded; each with its sha256."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from atelier_store.files import sha256_file, temporary_beside
from atelier_store.spec import Data, DataFile, SourceName

from atelier_trial.data.errors import DataError

REQUIRED: dict[SourceName, tuple[str, ...]] = {
    "sklearn": (),
    "npz": ("train",),
    "csv": ("train",),
    "images": ("train",),
    "idx": ("trainImages", "trainLabels"),
}
OPTIONAL: dict[SourceName, tuple[str, ...]] = {
    "sklearn": (),
    "npz": ("test",),
    "csv": ("test",),
    "images": ("test",),
    "idx": ("testImages", "testLabels"),
}


@dataclass(frozen=True)
class Located:
    """A file or folder of a data set, or a file that is downloaded when it is needed."""

    field: str
    path: Path
    url: str | None = None
    sha256: str | None = None

    def fetch(self) -> Path:
        """The path on disk, with the declared content, downloaded if need be. DataError if that fails."""
        if self.url is not None and not self.path.exists():
            _download(self)
        if not self.path.exists():
            raise DataError([f"{self.field}: {self.path}: no such file or folder"])
        if self.sha256 is not None:
            if self.path.is_dir():
                raise DataError([f"{self.field}: {self.path} is a folder; sha256 is for a file, leave it out"])
            _check(self.field, self.path, self.sha256)
        return self.path

    def content(self) -> str:
        """sha256 of the content: as declared, else of the file, or of the names and contents of a folder's files."""
        if self.sha256 is not None:
            return self.sha256
        path = self.fetch()
        if path.is_file():
            return sha256_file(path)
        digest = hashlib.sha256()
        for file in files_below(path):
            digest.update(f"{file.relative_to(path).as_posix()}\0{sha256_file(file)}\n".encode())
        return digest.hexdigest()


def files_below(folder: Path) -> list[Path]:
    """Every file below a folder that is not hidden, in the order of their names."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def locate(data: Data, base: Path, downloads: Path) -> dict[str, Located]:
    """The path of each file of the data, by role. DataError with every violation in the profile's files."""
    required, allowed = REQUIRED[data.source], REQUIRED[data.source] + OPTIONAL[data.source]
    if {"testImages", "testLabels"} & set(data.files):
        required = allowed
    violations = [
        f"trainer.data.files.{role}: missing; source {data.source} needs it"
        for role in required
        if role not in data.files
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
            path = base / file.path if file.path else downloads / _name(file.url or "")
            located[role] = Located(field, path, file.url, file.sha256.lower() if file.sha256 else None)
    if violations:
        raise DataError(violations)
    return located


def _violations(file: DataFile) -> list[str]:
    reasons = []
    if (file.path is None) == (file.url is None):
        reasons.append("exactly one of path and url is needed")
    if file.url is not None and file.sha256 is None:
        reasons.append(f"url {file.url} without sha256: say what its content must be")
    if file.url is not None and not _name(file.url):
        reasons.append(f"url {file.url} does not end in a file name")
    if file.sha256 is not None and (len(file.sha256) != 64 or set(file.sha256.lower()) - set("0123456789abcdef")):
        reasons.append(f"sha256 {file.sha256!r} is not 64 hexadecimal digits")
    return reasons


def _name(url: str) -> str:
    return Path(urlsplit(url).path).name


def _check(field: str, path: Path, expected: str, shown: Path | None = None) -> None:
    actual = sha256_file(path)
    if actual != expected:
        raise DataError([f"{field}: {shown or path}: wrong sha256: expected {expected}, found {actual}"])


def _download(file: Located) -> None:
    import pooch

    assert file.url is not None and file.sha256 is not None
    file.path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(file.path)
    try:
        try:
            pooch.downloaders.choose_downloader(file.url, progressbar=True)(file.url, str(temporary), None)
        except Exception as error:  # whatever a protocol's library raises
            advice = f"or put {file.path.name} into {file.path.parent} yourself"
            raise DataError([f"{file.field}: {file.url} could not be fetched: {error}; try again, {advice}"]) from error
        _check(file.field, temporary, file.sha256, shown=Path(file.path.name))
        temporary.replace(file.path)
    finally:
        temporary.unlink(missing_ok=True)
