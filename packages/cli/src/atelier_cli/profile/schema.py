"""What the chart's schema says against values, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError

from atelier_cli.profile.chart_files import chart_file
from atelier_cli.profile.findings import Finding, allowed

TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


@cache
def schema() -> dict[str, Any]:
    """The chart's values.schema.json."""
    read: dict[str, Any] = json.loads(chart_file("values.schema.json").read_text())
    return read


def check(values: dict[str, Any]) -> list[Finding]:
    """Everything that the schema says against values."""
    return [finding for error in Draft7Validator(schema()).iter_errors(values) for finding in _findings(error)]


def _findings(error: ValidationError) -> Iterator[Finding]:
    where = tuple(error.absolute_path)
    value: Any = error.instance
    limit: Any = error.validator_value
    rule: Any = error.schema
    match error.validator:
        case "additionalProperties":
            known = rule.get("properties", {})
            for key in value:
                if key not in known:
                    yield Finding((*where, key), f"unknown key; {allowed(known, key)}")
        case "required":
            for key in limit:
                if key not in value and f"'{key}' " in error.message:
                    yield Finding((*where, key), "is missing")
        case "type":
            types = [limit] if isinstance(limit, str) else limit
            yield Finding(where, f"{_shown(value)} is not {' or '.join(TYPES[name] for name in types)}")
        case "enum":
            yield Finding(
                where, f"{_shown(value)} is not allowed; {allowed([str(v) for v in limit if v is not None], value)}"
            )
        case "minimum":
            yield Finding(where, f"{value} is less than {limit}, the least allowed")
        case "maximum":
            yield Finding(where, f"{value} is more than {limit}, the most allowed")
        case "exclusiveMinimum":
            yield Finding(where, f"{value} is not allowed; it must be more than {limit}")
        case "exclusiveMaximum":
            yield Finding(where, f"{value} is not allowed; it must be less than {limit}")
        case "minItems" | "minLength":
            yield Finding(where, f"{_shown(value)} is too short; the least allowed is {limit}")
        case "uniqueItems":
            yield Finding(where, f"{_shown(value)} holds an item twice; allowed: each once")
        case _:
            yield Finding(where, f"{_shown(value)} is not allowed; {rule.get('description', error.message)}")


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"
