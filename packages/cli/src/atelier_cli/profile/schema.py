"""What the chart's schema rejects in values, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError

from atelier_cli.profile.chart_files import chart_file
from atelier_cli.profile.findings import Finding, Where, allowed

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
    read: dict[str, Any] = json.loads(chart_file("values.schema.json").read_text(encoding="utf-8"))
    return read


def check(values: dict[str, Any]) -> list[Finding]:
    """Everything that the schema says against values, one finding for each place."""
    first: dict[Where, Finding] = {}
    for error in Draft7Validator(schema()).iter_errors(values):
        conditions = _conditions(error)
        for finding in _findings(error):
            first.setdefault(finding.where, Finding(finding.where, finding.reason + conditions))
    return list(first.values())


def _conditions(error: ValidationError) -> str:
    """Where the rule behind an error applies, from the comments of the schema's conditions; empty: everywhere."""
    part: Any = schema()
    comments = []
    for step in error.absolute_schema_path:
        if "$ref" in part:
            part = schema()["definitions"][part["$ref"].rpartition("/")[2]]
        if step == "then":
            comments.append(part["$comment"])
        part = part[step]
    return f" where {' and '.join(comments)}" if comments else ""


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
                if key not in value:
                    yield Finding((*where, key), "is missing")
        case "dependencies":
            for key, needed in limit.items():
                for other in needed:
                    if key in value and other not in value:
                        yield Finding((*where, other), f"is missing; {key} needs it")
        case "enum":
            choices = ["null" if choice is None else str(choice) for choice in limit]
            problem = "is missing" if value is None else f"{_shown(value)} is not allowed"
            yield Finding(where, f"{problem}; {allowed(choices, value)}")
        case "type" if value is None:
            yield Finding(where, "is missing")
        case "type" if limit == "null":
            yield Finding(where, f"{_shown(value)} is not allowed; allowed: null")
        case "type" if "pattern" not in rule:
            types = [limit] if isinstance(limit, str) else limit
            yield Finding(where, f"{_shown(value)} is not {' or '.join(TYPES[name] for name in types)}")
        case "minimum":
            yield Finding(where, f"{value} is less than {limit}, the least allowed")
        case "maximum":
            yield Finding(where, f"{value} is more than {limit}, the most allowed")
        case "exclusiveMinimum":
            yield Finding(where, f"{value} is not allowed; it must be more than {limit}")
        case "exclusiveMaximum":
            yield Finding(where, f"{value} is not allowed; it must be less than {limit}")
        case "minItems" | "minProperties" | "minLength" if not value:
            yield Finding(where, f"is empty; the least allowed is {limit}")
        case "minItems" | "minProperties" | "minLength":
            yield Finding(where, f"{_shown(value)} is too short; the least allowed is {limit}")
        case "maxItems":
            yield Finding(where, f"{_shown(value)} is too long; the most allowed is {limit}")
        case "uniqueItems":
            yield Finding(where, f"{_shown(value)} holds an item twice; allowed: each once")
        case _:
            reason = rule.get("description", error.message).rstrip(".")
            yield Finding(where, f"{_shown(value)} is not allowed; {reason}")


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"
