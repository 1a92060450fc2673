"""Rows of small tables with a number, a word and a class."""

from __future__ import annotations

WORDS, CLASSES = ("red", "blue", "green"), ("no", "yes")


def cells(count: int = 40) -> list[list[str]]:
    """Rows of the columns a, b and y."""
    return [[f"{number / 2}", WORDS[number % 3], CLASSES[number % 2]] for number in range(count)]


def lines(count: int = 40, delimiter: str = ",") -> str:
    """The rows as text, without a header."""
    return "".join(delimiter.join(row) + "\n" for row in cells(count))


HEADER = "a,b,y\n"
TABLE = HEADER + lines()
