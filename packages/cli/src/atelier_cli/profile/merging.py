"""Values merged over values, as Helm does it."""

from __future__ import annotations

import copy
from typing import Any

from atelier_cli.profile.findings import Where

Values = dict[str, Any]


def merge(defaults: Values, over: Values) -> Values:
    """New values: maps merge key by key, all else replaces, null removes a default (and stays where there was none)."""
    merged = copy.deepcopy(defaults)
    for key, value in over.items():
        if value is None and key in merged:
            del merged[key]
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def with_value(values: Values, where: Where, value: Any) -> Values:
    """New values with one of them set; maps and lists on the way are made, and lists lengthened, where they lack it."""
    set_: Values = _with(values, where, value)
    return set_


def _with(values: Any, where: Where, value: Any) -> Any:
    if not where:
        return value
    step, *rest = where
    if isinstance(step, int):
        items = list(values) if isinstance(values, list) else []
        items += [None] * (step + 1 - len(items))
        items[step] = _with(items[step], tuple(rest), value)
        return items
    inner = values if isinstance(values, dict) else {}
    return inner | {step: _with(inner.get(step), tuple(rest), value)}


def lookup(values: Any, where: Where) -> Any:
    """The value at a path. KeyError if there is none."""
    for step in where:
        if not (isinstance(values, dict) and step in values):
            raise KeyError(step)
        values = values[step]
    return values
