"""What a check came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Diagnosis:
    """One line for people: what was looked at, how it is, what was found, and the command that mends it (or "# what to change")."""

    what: str
    result: Literal["ok", "warning", "missing"]
    found: str
    mend: str = ""


def ok(what: str, found: str) -> Diagnosis:
    """Nothing to do."""
    return Diagnosis(what, "ok", found)


def warning(what: str, found: str, mend: str = "") -> Diagnosis:
    """It may go well."""
    return Diagnosis(what, "warning", found, mend)


def missing(what: str, found: str, mend: str) -> Diagnosis:
    """It cannot go well."""
    return Diagnosis(what, "missing", found, mend)
