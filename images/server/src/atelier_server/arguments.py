"""Values that the commands take as arguments."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable

from atelier_store.names import Rule
from atelier_store.tables import NUMBER


def named(rule: Rule) -> Callable[[str], str]:
    """A parser of names that this rule allows."""

    def parse(text: str) -> str:
        if not rule.accepts(text):
            raise ArgumentTypeError(rule.refusal(text))
        return text

    return parse


def seconds(text: str) -> float:
    """A duration."""
    value = float(text) if NUMBER.fullmatch(text) else 0.0
    if not 0.01 <= value <= 3600:
        raise ArgumentTypeError(f"{text!r}: must be a number of seconds, 0.01 to 3600")
    return value


def number(least: int, most: int) -> Callable[[str], int]:
    """A parser of whole numbers within these limits."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal()) or not least <= int(text) <= most:
            raise ArgumentTypeError(f"{text!r}: must be a whole number, {least} to {most}")
        return int(text)

    return parse
