"""Records that may be damaged: what cannot be read is told beside what can."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from atelier_store.records import Record, TornRecord

R = TypeVar("R", bound=Record)
T = TypeVar("T")
U = TypeVar("U")


def read(kind: type[R], path: Path, problems: list[str], with_folder: bool = False) -> R | None:
    """A record; None if it is not there or cannot be read: why is added to problems, under its file's name.

    with_folder: its folder's name comes before, where many folders have such a file.
    """
    name = f"{path.parent.name}/{path.name}" if with_folder else path.name
    try:
        return kind.read_if_there(path)
    except TornRecord as error:
        problems.append(f"{name}: {error.problem}")
    except OSError as error:
        problems.append(f"{name}: cannot be read: {error.strerror}")
    return None


def attempt(look: Callable[[], T], otherwise: U, problems: list[str]) -> T | U:
    """What a look at several files gives; otherwise if one cannot be read at all, which is added to problems."""
    try:
        return look()
    except OSError as error:
        name = "/".join(Path(error.filename or "a file").parts[-2:])
        problems.append(f"{name}: cannot be read: {error.strerror}")
        return otherwise
