"""What can be wrong with the content of a request, and how it is listed."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

MOST_LISTED = 100
"""Violations listed in one answer."""

Violation = tuple[str, str]
"""A JSON pointer into the request, and what is wrong there."""


class Malformed(ValueError):
    """The bytes are not in the format that they claim to be in."""

    def __init__(self, format: str, detail: str) -> None:
        super().__init__(detail)
        self.format = format


class Unsupported(ValueError):
    """The model does not take this kind of input, or the input has an encoding that is not read here."""


class NotFinite(ValueError):
    """The model's output holds NaN or infinity, which JSON cannot express."""


class Invalid(ValueError):
    """The input was parsed and cannot be used. Lists all violations, up to MOST_LISTED."""

    def __init__(self, violations: Iterable[Violation]) -> None:
        listed = list(islice(violations, MOST_LISTED + 1))
        if len(listed) > MOST_LISTED:
            listed[-1] = ("#", f"more than {MOST_LISTED} violations; the rest is not listed")
        first = "; ".join(f"{pointer}: {wrong}" for pointer, wrong in listed[:3])
        super().__init__(first + (f"; and {len(listed) - 3} more" if len(listed) > 3 else ""))
        self.violations = listed


def token(name: str) -> str:
    """A name as one step of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")
