"""YAML read safely, with the line on which each key stands."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
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
    """Safe; reads numbers as Helm's YAML does (1e-4 is one) and leaves dates as text."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:float")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][-+]?\d+)?$|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$"),
    list("-+0123456789."),
)


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
