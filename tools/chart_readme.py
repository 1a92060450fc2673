"""Write the tables of values in the chart's README, from the comments of values.yaml and the types of values.schema.json.

    uv run python tools/chart_readme.py

A test compares the README with what this writes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parents[1] / "charts" / "katib-nas-atelier"
README = CHART / "README.md"
BEGIN = "<!-- written by tools/chart_readme.py: change the comments in values.yaml instead -->"
END = "<!-- end of what tools/chart_readme.py writes -->"
HEADER = "| key | default | type | is |\n|---|---|---|---|"


@dataclass(frozen=True)
class Value:
    """A key of values.yaml."""

    path: tuple[str, ...]
    default: Any
    comment: str
    schema: dict[str, Any]
    inner: tuple[Value, ...]
    """Its own keys, where the schema names them; a mapping that is free, as labels are, is one value."""


def read(values: str, schema: dict[str, Any]) -> tuple[Value, ...]:
    """The values of a chart, in the order of the file. ValueError if a key has no comment above it."""
    lines = values.splitlines()

    def within(node: yaml.Node, block: dict[str, Any], above: tuple[str, ...]) -> Iterator[Value]:
        for key, value in node.value:
            path, part = (*above, key.value), block["properties"][key.value]
            if "$ref" in part:
                part = schema["definitions"][part["$ref"].rpartition("/")[2]]
            inner = tuple(within(value, part, path)) if "properties" in part else ()
            yield Value(path, yaml.safe_load(yaml.serialize(value)), _comment(lines, key.start_mark.line), part, inner)

    found = tuple(within(yaml.compose(values), schema, ()))
    lacking = [".".join(one.path) for one in _flat(found) if not one.comment]
    if lacking:
        raise ValueError(f"values.yaml: no comment above {', '.join(lacking)}")
    return found


def _comment(lines: list[str], line: int) -> str:
    """The comment right above a line, as one."""
    first = line
    while first and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return " ".join(text.strip().removeprefix("#").strip() for text in lines[first:line])


def _flat(values: tuple[Value, ...]) -> Iterator[Value]:
    for one in values:
        yield one
        yield from _flat(one.inner)


def section(values: tuple[Value, ...]) -> str:
    """A table for each block, and one for the keys that stand alone."""
    parts = [f"### {one.path[0]}\n\n{one.comment}\n\n{_table(one.inner)}" for one in values if one.inner]
    alone = tuple(one for one in values if not one.inner)
    return "\n\n".join([*parts, f"### Beside the blocks\n\n{_table(alone)}"])


def _table(values: tuple[Value, ...]) -> str:
    return "\n".join([HEADER, *(_row(one) for one in _flat(values))])


def _row(value: Value) -> str:
    key = f"`{'.'.join(value.path)}`"
    is_block = bool(value.inner)
    cells = (
        [f"**{key}**", "", ""]
        if is_block
        else [key, f"`{json.dumps(value.default, ensure_ascii=False)}`", _type(value.schema)]
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in [*cells, value.comment])} |"


def _type(schema: dict[str, Any]) -> str:
    """What the schema allows, in a word or as the list of allowed values."""
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(one) if one is None else one}`" for one in schema["enum"])
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return " or ".join({"object": "map", "array": "list"}.get(kind, kind) for kind in kinds)


def written(readme: str, tables: str) -> str:
    """The README with these tables between its marks. ValueError if the marks are not there."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"README.md: needs the lines {BEGIN!r} and {END!r}")
    return f"{before}{begin}\n\n{tables}\n\n{end}{after}"


if __name__ == "__main__":
    schema = json.loads((CHART / "values.schema.json").read_text())
    README.write_text(written(README.read_text(), section(read((CHART / "values.yaml").read_text(), schema))))
