"""Values made complete: null is the default of its key, in Helm as here; templates/_complete.tpl does the same."""

from __future__ import annotations

import copy
import math
from collections.abc import Collection
from functools import cache
from typing import Any

from atelier_trial.default_space import default_space
from atelier_trial.space import BUILT_IN

from atelier_cli.profile import schema, yaml_lines
from atelier_cli.profile.facts import kind_of_source
from atelier_cli.profile.findings import Where
from atelier_cli.profile.merging import Values, lookup
from atelier_cli.profile.texts import NUMBER


def complete(values: Values, defaults: Values) -> Values:
    """Merged values with the defaults of all keys that null took away, and with text where a number is meant as one.

    A search without parameters gets those that its kind of data has by default, if it has any. null stays what it is
    where the schema gives it a meaning of its own (security.runAsUser), and takes entries out of maps with names of the
    user's own (resources, labels).
    """
    completed = copy.deepcopy(values)
    _fill(completed, defaults, kept_nulls(defaults), ())
    for at in decimals():
        _as_number(completed, at)
    experiment = completed.get("experiment")
    if isinstance(experiment, dict) and experiment.get("parameters") == []:
        experiment["parameters"] = copy.deepcopy(_space(completed.get("trainer")))
    return completed


def _space(trainer: Any) -> list[Values]:
    """The search space that the built-in networks have by default for data of this kind, if it is known."""
    data = trainer.get("data") if isinstance(trainer, dict) and trainer.get("network") == BUILT_IN else None
    if not isinstance(data, dict) or not isinstance(kind := data.get("kind"), str):
        return []
    return default_space(kind_of_source(data.get("source"), data.get("name")) if kind == "auto" else kind)


def kept_nulls(defaults: Values) -> Collection[Where]:
    """Keys with a default whose null means something else: none at all."""
    return {at for at, is_free, may_be_null in _nullable() if _keeps_null(at, is_free, may_be_null, defaults)}


@cache
def _nullable() -> tuple[tuple[Where, bool, bool], ...]:
    """The keys that hold entries with names of the user's own, or may be null; and which of both they are."""
    parts = [
        (at, isinstance(part.get("additionalProperties"), dict), "null" in part.get("type", ()))
        for at, part in schema.places(schema.schema(), schema.schema())
    ]
    return tuple((at, is_free, may_be_null) for at, is_free, may_be_null in parts if is_free or may_be_null)


def _keeps_null(at: Where, is_free: bool, may_be_null: bool, defaults: Values) -> bool:
    try:
        default = lookup(defaults, at)
    except KeyError:
        return False
    has_entries = isinstance(default, dict) and bool(default)
    return (is_free and has_entries) or (may_be_null and default is not None)


def _fill(values: Values, defaults: Values, kept: Collection[Where], at: Where) -> None:
    for key, default in defaults.items():
        here = (*at, key)
        if here in kept:
            continue
        if values.get(key) is None and default is not None:
            values[key] = copy.deepcopy(default)
        elif isinstance(default, dict) and isinstance(values.get(key), dict):
            _fill(values[key], default, kept, here)


@cache
def decimals() -> tuple[Where, ...]:
    """Keys that hold a number, which --set gives as text if it has a fraction."""
    return tuple(at for at, part in schema.places(schema.schema(), schema.schema()) if part.get("x-text") == "decimal")


def _as_number(block: Any, steps: Where) -> None:
    """Put the number in place of its text at the end of some steps into a block, of which "*" is any key."""
    if not isinstance(block, dict):
        return
    step, *rest = steps
    for key in [*block] if step == "*" else [step]:
        text = block.get(key)
        if rest:
            _as_number(text, tuple(rest))
        elif isinstance(text, str) and NUMBER.refuse(text) is None and math.isfinite(float(text)):
            block[key] = yaml_lines.plain(repr(float(text)))
