"""The error of data that cannot be used; it lists every violation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from atelier_store.errors import InvalidInput

PANIC = "PanicException"
"""What libraries of Rust raise where they did not expect a file to be broken; it is no Exception."""

Item = TypeVar("Item")
Result = TypeVar("Result")

BEGINNINGS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf": "7z",
    b"Rar!": "rar",
    b"PK\x03\x04": "zip",
    b"\x93NUMPY": "a single .npy array",
    b"\x80": "a pickle, which is never loaded",
    b"\x89PNG": "a single picture",
    b"\xff\xd8\xff": "a single picture",
    b"PAR1": "Parquet",
    b"PARE": "Parquet that is encrypted",
    b"ARROW1": "Arrow",
    b"FEA1": "the first version of Feather, which pandas wrote until 2020",
    b"Obj\x01": "Avro",
    b"\xd0\xcf\x11\xe0": "a workbook or document of old Office programs",
    b"SQLite format 3": "a database of SQLite",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x1f\x9d": "compress (.Z)",
    b"MATLAB 5.0": "MATLAB",
    b"RDX": "R",
    b"\x89HDF": "HDF5",
    b"%PDF": "PDF",
    b"\xff\xfe": "UTF-16",
    b"<!": "HTML or XML",
    b"<?xml": "HTML or XML",
    b"<html": "HTML or XML",
    b"version https://git-lfs": "a pointer of Git LFS, whose content `git lfs pull` fetches",
}
"""What files of other formats begin with."""


class DataError(InvalidInput):
    """Data that cannot be used."""


class Violations:
    """What is wrong with several steps of which none needs the others, to be raised at once."""

    def __init__(self) -> None:
        self._found: list[str] = []

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Keep the violations of a DataError, whose block ends there."""
        try:
            yield
        except DataError as error:
            self._found += error.violations

    def check(self) -> None:
        """DataError if there are any."""
        if self._found:
            raise DataError(self._found)


def gather(function: Callable[[Item], Result], items: Mapping[str, Item]) -> dict[str, Result]:
    """function(item) of every item; DataError with the violations of all of them."""
    results: dict[str, Result] = {}
    wrong = Violations()
    for name, item in items.items():
        with wrong.collected():
            results[name] = function(item)
    wrong.check()
    return results


@contextmanager
def reading(path: Path, what: str, *formats: str) -> Iterator[None]:
    """Turn whatever is raised while path is read as `what` into a DataError of one line with its name and why.

    formats are those of BEGINNINGS that it may have; another is named.
    """
    try:
        yield
    except DataError:
        raise
    except BaseException as error:  # readers of formats raise a dozen types on a broken file, and share no base class
        if not isinstance(error, Exception) and type(error).__name__ != PANIC:
            raise
        if isinstance(error, OSError) and error.strerror:
            raise DataError([f"{error.filename or path}: cannot be read: {error.strerror}"]) from error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError([f"{path}: not {what}: {reason}{_other_format(path, formats)}"]) from error


def begins_as(content: bytes) -> str | None:
    """The other format that a file begins as; None if it may be a text."""
    return next((name for magic, name in BEGINNINGS.items() if content.startswith(magic)), None)


def _other_format(path: Path, formats: Sequence[str]) -> str:
    """What the file's beginning is that of, in words that follow a reason; nothing if that is one of the formats."""
    try:
        with path.open("rb") as file:
            found = begins_as(file.read(32))
    except OSError:
        return ""
    return f" (it begins as {found})" if found and found not in formats else ""
