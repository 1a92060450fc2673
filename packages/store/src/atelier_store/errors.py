"""The error of input that cannot be used."""

from __future__ import annotations

from collections.abc import Sequence

LONGEST = 2_000
"""Characters of a violation: a cell or a list of names in it may have any number."""


class InvalidInput(ValueError):
    """Input that cannot be used; violations lists everything that is wrong, one line each."""

    def __init__(self, violations: Sequence[str]) -> None:
        self.violations = [shortened(one_line(violation)) for violation in violations]
        super().__init__("; ".join(self.violations))


def one_line(text: str) -> str:
    """The text, with line ends and whatever a terminal would not show as it is written as in Python: \\n, \\x1b."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def shortened(text: str) -> str:
    """The text without its middle if it is longer than LONGEST: what is wrong stands first, what is allowed last."""
    if len(text) <= LONGEST:
        return text
    end = LONGEST // 4
    return f"{text[: LONGEST - end]} … {text[-end:]}"
