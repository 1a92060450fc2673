"""Values of --set, read as Helm reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from atelier_cli.profile import yaml_lines
from atelier_cli.profile.findings import Where
from atelier_cli.profile.yaml_lines import UnreadableYaml

MOST_INDEX = 65536
END = ""


class InvalidSet(ValueError):
    """A text that sets no values; its message says why."""


def read(text: str) -> list[tuple[Where, Any]]:
    """The values that a text sets, with their places: `trainer.seed=1,server.ingress.hosts={a.example,b.example}`.

    true, false, null and whole numbers without leading zeros have their type, all else is text; an index is a place in
    a list, and a backslash takes the next character as it is. Beyond Helm, which has --set-json for it, a value that
    begins with "[", or that is a map in braces, is YAML and reaches to the end. InvalidSet.
    """
    return list(_Reader(text).assignments())


def scalar(text: str) -> Any:
    """A value between commas."""
    word = {"true": True, "false": False, "null": None}
    if text.lower() in word:
        return word[text.lower()]
    digits = text[1:] if text[:1] in ("+", "-") else text
    if text == "0" or (digits.isascii() and digits.isdigit() and text[0] != "0" and -(2**63) <= int(text) < 2**63):
        return int(text)
    return text


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.next = 0

    def assignments(self) -> Iterator[tuple[Where, Any]]:
        while self.next < len(self.text):
            where = self._place()
            yield where, self._value()

    def _until(self, stops: str) -> tuple[str, str]:
        """The text up to one of these characters, which is passed, and that character; END at the end."""
        taken: list[str] = []
        while self.next < len(self.text):
            character = self.text[self.next]
            self.next += 1
            if character in stops:
                return "".join(taken), character
            if character == "\\":
                character = self.text[self.next : self.next + 1]
                self.next += 1
            taken.append(character)
        return "".join(taken), END

    def _place(self) -> Where:
        steps: list[str | int] = []
        while True:
            key, stop = self._until("=[,.")
            if key:
                steps.append(key)
            elif not (steps and isinstance(steps[-1], int)):
                raise InvalidSet("is not key=value, such as trainer.maxEpochs=30")
            while stop == "[":
                steps.append(self._index())
                stop = self.text[self.next : self.next + 1]
                self.next += 1
            if stop == "=":
                return tuple(steps)
            if stop != ".":
                raise InvalidSet("is not key=value, such as trainer.maxEpochs=30")

    def _index(self) -> int:
        digits, stop = self._until("]")
        if not (stop and digits.isascii() and digits.isdigit() and int(digits) <= MOST_INDEX):
            raise InvalidSet(f"[{digits}{stop} is no place in a list; allowed: [0] to [{MOST_INDEX}]")
        return int(digits)

    def _value(self) -> Any:
        rest = self.text[self.next :]
        if rest.startswith("[") or (rest.startswith("{") and _is_map(rest)):
            self.next = len(self.text)
            return _yaml(rest)
        if rest.startswith("{"):
            self.next += 1
            return list(self._items())
        return scalar(self._until(",")[0])

    def _items(self) -> Iterator[Any]:
        while True:
            item, stop = self._until(",}")
            if stop == END:
                raise InvalidSet("has a list without its end; a list is {a,b}")
            yield scalar(item)
            if stop == "}":
                break
        self.next += self.text.startswith(",", self.next)


def _is_map(text: str) -> bool:
    try:
        value = yaml_lines.scalar(text)
    except UnreadableYaml:
        return False
    return isinstance(value, dict) and any(inner is not None for inner in value.values())


def _yaml(text: str) -> Any:
    try:
        return yaml_lines.scalar(text)
    except UnreadableYaml as error:
        raise InvalidSet(f"the value {error}") from error
