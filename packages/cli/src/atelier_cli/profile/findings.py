"""What is wrong with a profile, and where."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from atelier_store.spec import public_url

Where = tuple[str | int, ...]
"""Keys and list indices that lead to a value."""


def dotted(where: Where) -> str:
    """A path as people write it: experiment.parameters[3].feasibleSpace.min."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in where).lstrip(".")


def at(path: str) -> Where:
    """The path of keys only that a dotted name stands for."""
    return tuple(path.split("."))


@dataclass(frozen=True)
class Finding:
    """One violation: the path of the value, and what is wrong with it."""

    where: Where
    reason: str

    def __str__(self) -> str:
        return f"{dotted(self.where)}: {self.reason}" if self.where else self.reason


def allowed(names: Iterable[str], value: object = None) -> str:
    """The end of a message: what is allowed, and which of several names was perhaps meant."""
    names = list(names)
    close = difflib.get_close_matches(value, names, n=1) if isinstance(value, str) and len(names) > 1 else []
    meant = f"did you mean {close[0]}? " if close else ""
    return f"{meant}allowed: {', '.join(names) or 'none'}"


def public(text: str) -> str:
    """The text with what may be shown of each url in it, which goes on to a quotation mark that is not escaped."""
    return re.sub(r'(?s)((?<=url=)|[A-Za-z][A-Za-z0-9+.-]*://)(\\.|[^"\\])*', lambda url: public_url(url[0]), text)
