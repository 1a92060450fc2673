"""The error of data that cannot be used; it lists every violation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from atelier_store.errors import InvalidInput

Item = TypeVar("Item")
Result = TypeVar("Result")


class DataError(InvalidInput):
    """Data that cannot be used."""


def gather(function: Callable[[Item], Result], items: Mapping[str, Item]) -> dict[str, Result]:
    """function(item) of every item; DataError with the violations of all of them."""
    results, violations = {}, []
    for name, item in items.items():
        try:
            results[name] = function(item)
        except DataError as error:
            violations += error.violations
    if violations:
        raise DataError(violations)
    return results
