"""The result of a check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Diagnosis:
    """One row of the report; fix is the command that fixes it, or "# what to change" in the profile."""

    check: str
    result: Literal["ok", "warning", "missing"]
    message: str
    fix: str = ""


def ok(check: str, message: str) -> Diagnosis:
    """Nothing to do."""
    return Diagnosis(check, "ok", message)


def warning(check: str, message: str, fix: str = "") -> Diagnosis:
    """The search may fail."""
    return Diagnosis(check, "warning", message, fix)


def missing(check: str, message: str, fix: str) -> Diagnosis:
    """The installation or the search will fail."""
    return Diagnosis(check, "missing", message, fix)
