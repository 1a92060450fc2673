"""Files that are either whole or not there: write beside, fsync, rename. Right on NFS, where rename is the only atomic write."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable
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


def write_with(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let write(file) produce path; path holds either what it held before or all of the new. OSError as the file system says it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    try:
        with temporary.open("wb") as file:
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


def sha256_file(path: Path) -> str:
    """sha256, in hex, of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
