"""The error of data that cannot be used; it lists every violation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class DataError(ValueError):
    """Data that cannot be used; violations lists everything that is wrong."""

    def __init__(self, violations: Sequence[str]) -> None:
        super().__init__("; ".join(violations))
        self.violations = list(violations)


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
