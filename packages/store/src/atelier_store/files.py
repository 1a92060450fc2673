"""Files and folders that are whole or not there: write beside, fsync, rename. On NFS only a rename is atomic."""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

TEMPORARY = ".tmp-"
"""Prefix of a file or folder that is still being written; nobody reads it."""


def temporary_beside(path: Path) -> Path:
    """A name beside path, unique to this call, for what will become path."""
    return path.with_name(f"{TEMPORARY}{path.name}-{uuid.uuid4().hex[:12]}")


def fsync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def named_in_errors(path: Path) -> Iterator[None]:
    """Put the name of the file that is written into errors that have none: a full disk tells it only when it opens."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


def write_with(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let write(file) produce path, which holds its old content until all of the new is on the disk.

    OSError, which names a file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    try:
        with temporary.open("wb") as file, named_in_errors(path):
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def write_bytes(path: Path, data: bytes) -> None:
    """Replace path by data, atomically."""
    write_with(path, lambda file: file.write(data))


def write_text(path: Path, text: str) -> None:
    """Replace path by text in UTF-8, atomically."""
    write_bytes(path, text.encode())


@contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """Make a folder and those above it. If the block raises, those of them that are new and empty go again."""
    new = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for one in new:
            with contextlib.suppress(OSError):  # it is not empty
                one.rmdir()
        raise


@contextmanager
def scratch_folder(beside: Path) -> Iterator[Path]:
    """A new folder beside a path, for files on their way into their place; whatever is still in it is then removed.

    The caller sees to it that only one process at a time has a folder beside this path: others are of processes that
    were killed, and are removed.
    """
    for left in beside.parent.glob(f"{TEMPORARY}{glob.escape(beside.name)}-*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = temporary_beside(beside)
    try:
        folder.mkdir(parents=True)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def publish_folder(folder: Path, may_stay: Callable[[], bool] = lambda: False) -> Iterator[Path]:
    """Yield a new folder to write into, with the functions above; after the block it is in the place of folder.

    If anything raises, folder stays as it was, as it does if it is there after the block and may_stay() is true. Of
    several processes that publish at once each succeeds, and the last one's folder stays. OSError as the file system
    raises it.
    """
    staged = temporary_beside(folder)
    replaced: list[Path] = []
    try:
        staged.mkdir(parents=True)
        yield staged
        while not _renamed(staged, folder) and not may_stay():
            replaced.append(temporary_beside(folder))
            with contextlib.suppress(FileNotFoundError):  # another process has moved it away
                folder.rename(replaced[-1])
    except BaseException:
        if replaced:
            with contextlib.suppress(OSError):  # another process's folder has taken the place
                replaced[-1].rename(folder)
        raise
    finally:
        for leftover in (staged, *replaced):
            shutil.rmtree(leftover, ignore_errors=True)


def _renamed(staged: Path, folder: Path) -> bool:
    """Put staged in the place of folder; false if that place is taken."""
    try:
        staged.rename(folder)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    fsync_folder(folder.parent)
    return True


def sha256_file(path: Path) -> str:
    """sha256, in hex, of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
