"""What the chart's schema rejects in values, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from atelier_store.spec import public_url
from jsonschema import Draft7Validator, validators
from jsonschema.exceptions import ValidationError

from atelier_cli.profile.chart_files import chart_file
from atelier_cli.profile.findings import Finding, Where, allowed, public
from atelier_cli.profile.texts import TEXTS

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


def places(part: dict[str, Any], whole: dict[str, Any], at: Where = ()) -> Iterator[tuple[Where, dict[str, Any]]]:
    """The parts of a schema that describe values, with the paths of these: "*" is any item or entry, "#" any key."""
    if "$ref" in part:
        part = whole["definitions"][part["$ref"].rpartition("/")[2]]
    yield at, part
    inner = [((key,), value) for key, value in part.get("properties", {}).items()]
    inner += [(("*",), part[key]) for key in ("items", "additionalProperties") if isinstance(part.get(key), dict)]
    inner += [(("#",), part["propertyNames"])] if "propertyNames" in part else []
    for step, below in inner:
        yield from places(below, whole, (*at, *step))


QUOTES = "allowed: text; put it into quotes"


def _is_text(_validator: Any, kind: str, value: Any, _part: Any) -> Iterator[ValidationError]:
    reason = TEXTS[kind].refuse(value) if isinstance(value, str) else None
    if isinstance(value, bool | int | float) and not TEXTS[kind].may_be_number:
        reason = QUOTES
    if reason:
        yield ValidationError(reason)


Validator: Any = validators.extend(Draft7Validator, {"x-text": _is_text})  # type: ignore[no-untyped-call]
"""Draft 7, and the keyword x-text."""


def check(values: dict[str, Any]) -> list[Finding]:
    """Everything that the schema says against values, one finding for each place."""
    first: dict[Where, Finding] = {}
    for error in Validator(schema()).iter_errors(values):
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
        case "x-text" if "propertyNames" in error.absolute_schema_path:
            yield Finding((*where, value), f"{_shown(value)} is not allowed as a key; {error.message}")
        case "x-text" if limit == "url" and isinstance(value, str):
            yield Finding(where, f"{_shown(public_url(value))} is not allowed; {error.message}")
        case "x-text":
            yield Finding(where, f"{_shown(value)} is not allowed; {error.message}")
        case "type" if limit == "null":
            yield Finding(where, f"{_shown(value)} is not allowed; allowed: null")
        case "type" if "x-text" in rule and limit != "string":
            yield Finding(where, f"{_shown(value)} is not allowed; allowed: {TEXTS[rule['x-text']].words}")
        case "type":
            types = [limit] if isinstance(limit, str) else limit
            quotes = "; put it into quotes" if "string" in types and isinstance(value, bool | int | float) else ""
            yield Finding(where, f"{_shown(value)} is not {' or '.join(TYPES[name] for name in types)}{quotes}")
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
    text = public(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= 60 else text[:57] + "…"
