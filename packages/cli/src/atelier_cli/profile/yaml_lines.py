"""YAML read safely, with the line on which each key stands."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from atelier_cli.profile.findings import Finding, Where, dotted

MOST_BYTES = 1 << 20
MOST_VALUES = 50_000
"""Aliases count as often as they are used, so that a small file cannot expand into a huge one."""


class UnreadableYaml(ValueError):
    """A text that cannot be read. findings lists the reasons with their lines."""

    def __init__(self, findings: list[tuple[int | None, str]]) -> None:
        super().__init__("; ".join(reason for _, reason in findings))
        self.findings = findings


@dataclass(frozen=True)
class Document:
    """A mapping, and by the path of each value the line of its key, or of the item in a list. Lines count from 1."""

    values: dict[str, Any]
    lines: dict[Where, int]


class _Loader(yaml.SafeLoader):
    """Safe; gives plain text the types that Helm gives it, which reads YAML 1.1 as Go does."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        """The tag of a node that has none: of a plain text the one that its value has in Go."""
        if kind is yaml.ScalarNode and implicit[0]:
            return "tag:yaml.org,2002:merge" if value == "<<" else f"tag:yaml.org,2002:{_tag(plain(value))}"
        tag: str = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]
        return tag

    def construct_plain(self, node: yaml.ScalarNode) -> Any:
        """The value of a scalar; ConstructorError if its tag asks for another type."""
        value = plain(self.construct_scalar(node))
        tag = node.tag.rpartition(":")[2]
        if _tag(value) == tag or (tag == "float" and _tag(value) == "int"):
            return value
        raise yaml.constructor.ConstructorError(None, None, f"{node.value!r} is no {tag}", node.start_mark)

    def construct_text(self, node: yaml.ScalarNode) -> str:
        return str(self.construct_scalar(node))


for _kind in ("null", "bool", "int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _Loader.construct_plain)
_Loader.add_constructor("tag:yaml.org,2002:merge", _Loader.construct_text)  # where it is no key, << is text

BOOLEANS = {
    word: truth
    for truth, words in ((True, ("y", "yes", "on", "true")), (False, ("n", "no", "off", "false")))
    for lower in words
    for word in (lower, lower.capitalize(), lower.upper())
}
NULLS = ("", "~", "null", "Null", "NULL")
INFINITE = {f"{sign}.{word}": float(f"{sign}{word}") for sign in ("", "+", "-") for word in ("inf", "Inf", "INF")} | {
    f".{word}": math.nan for word in ("nan", "NaN", "NAN")
}
WHOLE = re.compile(r"[-+]?(0[bB][01]+|0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
FRACTION = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
MOST_EXACT = 2**53
"""Helm holds every number in 64 bits of floating point, which do not tell larger whole numbers apart."""


def plain(text: str) -> bool | int | float | str | None:
    """What Helm reads in a text without quotes: go-yaml 2, then JSON. Numbers without a fraction are whole: 1.0 is 1.

    y, n, on and off are truth values, 012 is 10, 08 is 8, 1_000 is 1000; 1:30, dates and 1e999 are text.
    """
    if text in NULLS:
        return None
    if text in BOOLEANS:
        return BOOLEANS[text]
    if text in INFINITE:
        return INFINITE[text]
    digits = text.replace("_", "") if text[0] in "+-0123456789" else text
    if WHOLE.fullmatch(digits):
        whole = _whole(digits)
        if -(2**63) <= whole < 2 ** (63 if digits[0] in "+-" else 64):
            return _as_helm_holds(float(whole))
    if digits[0] in "+-.0123456789" and FRACTION.fullmatch(digits) and math.isfinite(float(digits)):
        return _as_helm_holds(float(digits))
    return text


def _whole(digits: str) -> int:
    """The number, in the base that it begins with; 012 is octal."""
    sign = -1 if digits[0] == "-" else 1
    unsigned = digits.lstrip("+-").lower()
    base = {"0b": 2, "0x": 16, "0o": 8}.get(unsigned[:2], 8 if unsigned[0] == "0" else 10)
    return sign * int(unsigned, base)


def _as_helm_holds(number: float) -> int | float:
    is_minus_zero = number == 0 and math.copysign(1, number) < 0
    is_whole = number.is_integer() and abs(number) <= MOST_EXACT and not is_minus_zero
    return int(number) if is_whole else number


def _tag(value: bool | int | float | str | None) -> str:
    return {type(None): "null", bool: "bool", int: "int", float: "float"}.get(type(value), "str")


def number_text(number: bool | int | float) -> str:
    """A number or truth value as Helm writes it in JSON: 0.00001, 1e-7, 100000000000000000000, 1e+21, true."""
    if isinstance(number, bool):
        return str(number).lower()
    if isinstance(number, int):
        return str(number)
    if number == 0 or 1e-6 <= abs(number) < 1e21:
        return f"{Decimal(repr(number)):f}".removesuffix(".0")
    mantissa, exponent = repr(number).split("e")
    return f"{mantissa}e{int(exponent):+d}" if int(exponent) > 0 else f"{mantissa}e{int(exponent)}"


def read(path: Path) -> Document:
    """The mapping in a file. UnreadableYaml if there is none, keys repeat, it is too large, or is not JSON's."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UnreadableYaml([(None, f"cannot be read: {error.strerror}")]) from error
    if len(content) > MOST_BYTES:
        raise UnreadableYaml([(None, f"is larger than {MOST_BYTES:,} bytes; a profile is a small file")])
    try:
        return parse(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UnreadableYaml([(None, f"is not text in UTF-8: {error.reason} at byte {error.start}")]) from error


def parse(text: str) -> Document:
    """The mapping in a text; an empty text is an empty mapping. UnreadableYaml."""
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return Document({}, {})
        _check_nodes(node)
        values = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise UnreadableYaml(
            [(mark.line + 1 if mark else None, f"is not YAML: {error.problem or error.context}")]
        ) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, UnreadableYaml):
            raise
        raise UnreadableYaml([(None, f"is not YAML: {str(error).splitlines()[0]}")]) from error
    finally:
        if loader is not None:
            loader.dispose()
    if not isinstance(values, dict):
        raise UnreadableYaml([(node.start_mark.line + 1, "is not a mapping of keys to values, such as `trainer:`")])
    lines: dict[Where, int] = {}
    _note_lines(node, (), lines)
    _check_values(values, (), lines)
    return Document(values, lines)


def scalar(text: str) -> Any:
    """A single value, as it would be read in a file. UnreadableYaml."""
    return parse(f"value: {text}" if text.strip() else "value: ''").values["value"]


def _check_nodes(root: yaml.Node) -> None:
    """Reject repeated keys, values that contain themselves and documents that expand beyond the limit."""
    wrong: list[tuple[int | None, str]] = []
    count = 0
    reported: set[int] = set()

    def visit(node: yaml.Node, above: tuple[int, ...]) -> None:
        nonlocal count
        count += 1
        if count > MOST_VALUES:
            raise UnreadableYaml([(None, f"holds more than {MOST_VALUES:,} values; a profile is a small file")])
        if id(node) in above:
            raise UnreadableYaml([(node.start_mark.line + 1, "an alias stands inside of what it stands for")])
        if isinstance(node, yaml.MappingNode):
            seen: dict[str, yaml.Node] = {}
            for key, value in node.value:
                line = key.start_mark.line + 1
                if isinstance(key, yaml.ScalarNode):
                    first = seen.setdefault(key.value, key)
                    if first is not key and id(key) not in reported:
                        reported.add(id(key))
                        wrong.append(
                            (line, f"{key.value}: is there twice; the first is on line {first.start_mark.line + 1}")
                        )
                visit(value, (*above, id(node)))
        elif isinstance(node, yaml.SequenceNode):
            for item in node.value:
                visit(item, (*above, id(node)))

    visit(root, ())
    if wrong:
        raise UnreadableYaml(wrong)


def _note_lines(node: yaml.Node, where: Where, lines: dict[Where, int]) -> None:
    """Lines of everything below a node. The constructor has expanded merged mappings (<<); the last line counts."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*where, key.value)
            lines[inner] = key.start_mark.line + 1
            _note_lines(value, inner, lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[*where, index] = item.start_mark.line + 1
            _note_lines(item, (*where, index), lines)


def _check_values(value: Any, where: Where, lines: dict[Where, int]) -> None:
    """Reject what JSON cannot express."""
    wrong: list[tuple[int | None, str]] = []

    def visit(value: Any, where: Where) -> None:
        line = lines.get(where)
        if isinstance(value, dict):
            for key, inner in value.items():
                if isinstance(key, str):
                    visit(inner, (*where, key))
                else:
                    wrong.append((line, f"{dotted(where)}: key {key!r} is not text; put it into quotes"))
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                visit(inner, (*where, index))
        elif isinstance(value, float) and not math.isfinite(value):
            wrong.append((line, str(Finding(where, f"{value} is not a finite number"))))
        elif value is not None and not isinstance(value, (str, bool, int, float)):
            wrong.append((line, str(Finding(where, f"a {type(value).__name__} has no place in a profile"))))

    visit(value, where)
    if wrong:
        raise UnreadableYaml(wrong)
