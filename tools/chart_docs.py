"""Write the comments of values.yaml into values.schema.json, as descriptions, and into the tables of the README.

    make chart-docs

The comment above a key is the only place where a value is described. A test compares both files with what this writes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from atelier_cli.profile.texts import TEXTS

from tools.chart_facts import CHART, Json, text

README = CHART / "README.md"
BEGIN = "<!-- written by tools/chart_docs.py: change the comments in values.yaml instead -->"
END = "<!-- end of what tools/chart_docs.py writes -->"
HEADER = "| key | default | type | is |\n|---|---|---|---|"


@dataclass(frozen=True)
class Value:
    """A key of values.yaml, with its part of the schema. A block has keys of its own that the schema names."""

    path: tuple[str, ...]
    default: Any
    comment: str
    schema: Json
    is_block: bool


def describe(values: str, schema: Json) -> list[Value]:
    """The values in the file's order; their comments become the schema's descriptions. ValueError if one has none."""
    lines = values.splitlines()

    def within(node: yaml.Node, block: Json, above: tuple[str, ...]) -> Iterator[Value]:
        for key, value in node.value:
            path, part, comment = (
                (*above, key.value),
                block["properties"][key.value],
                _comment(lines, key.start_mark.line),
            )
            if not comment:
                raise ValueError(f"values.yaml: no comment above {'.'.join(path)}")
            part["description"] = comment
            if "$ref" in part:
                part = schema["definitions"][part["$ref"].rpartition("/")[2]]
            is_map = "properties" in part and isinstance(value, yaml.MappingNode)
            is_block = is_map and bool(value.value)  # {}: a part of Kubernetes, described there
            yield Value(path, yaml.safe_load(yaml.serialize(value)), comment, part, is_block)
            if is_map:
                yield from within(value, part, path)

    root = yaml.compose(values)
    return list(within(root, schema, ())) if root else []


def _comment(lines: list[str], line: int) -> str:
    """The comment right above a line, as one."""
    first = line
    while first and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return " ".join(text.strip().removeprefix("#").strip() for text in lines[first:line])


def tables(values: list[Value]) -> str:
    """A table for each block at the top, and one for the keys that stand alone."""
    top = [value for value in values if len(value.path) == 1]
    parts = [
        f"### {block.path[0]}\n\n{block.comment}\n\n{_table([v for v in values if v.path[0] == block.path[0]][1:])}"
        for block in top
        if block.is_block
    ]
    return "\n\n".join([*parts, f"### Beside the blocks\n\n{_table([value for value in top if not value.is_block])}"])


def _table(values: list[Value]) -> str:
    return "\n".join([HEADER, *map(_row, values)])


def _row(value: Value) -> str:
    key, default = f"`{'.'.join(value.path)}`", f"`{json.dumps(value.default, ensure_ascii=False)}`"
    cells = [f"**{key}**", "", ""] if value.is_block else [key, default, _type(value.schema)]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in [*cells, value.comment])} |"


def _type(schema: Json) -> str:
    """What the schema allows, in a word or as the list of allowed values."""
    if "enum" in schema:
        return ", ".join(f"`{'null' if choice is None else choice}`" for choice in schema["enum"])
    kinds: list[str] = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if "x-text" in schema and not TEXTS[schema["x-text"]].may_be_number:
        kinds = [kind for kind in kinds if kind not in ("number", "boolean")]
    return " or ".join({"object": "map", "array": "list"}.get(kind, kind) for kind in kinds)


def written(readme: str, tables: str) -> str:
    """The README with these tables between its marks. ValueError if the marks are not there."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"README.md: needs the lines {BEGIN!r} and {END!r}")
    return f"{before}{begin}\n\n{tables}\n\n{end}{after}"


if __name__ == "__main__":
    path = CHART / "values.schema.json"
    schema = json.loads(path.read_text())
    values = describe((CHART / "values.yaml").read_text(), schema)
    path.write_text(text(schema) + "\n")
    README.write_text(written(README.read_text(), tables(values)))
