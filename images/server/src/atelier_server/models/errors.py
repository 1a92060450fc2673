"""Why there is no model to answer with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class BadBundle(ValueError):
    """A version that must not be served; problems lists everything that is wrong with it."""

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        super().__init__(f"{path}: {'; '.join(problems)}")
        self.problems = problems


class Unsigned(BadBundle):
    """A version without the signature that is asked for; it is served as soon as it has one."""


class Unavailable(Exception):
    """The model of this name cannot answer."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(detail)
        self.name = name


class NoSuchModel(Unavailable):
    """The store holds no model, or no version, of this name."""


class NothingPromoted(Unavailable):
    """No version of the model is promoted yet."""

    def __init__(self, name: str, reason: str | None) -> None:
        super().__init__(name, f"no model promoted yet: {reason}")


class NotServable(Unavailable):
    """The version must not be served, or cannot be read."""

    def __init__(self, name: str, reason: Exception) -> None:
        super().__init__(name, f"{name!r} cannot be served: {reason}")
