"""One thing that differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Part = Literal["spec", "parameters", "data", "code", "environment", "metrics", "cost"]
Change = Literal["added", "removed", "changed", "raised", "lowered", "widened", "narrowed", "moved", "finer", "coarser"]


@dataclass(frozen=True)
class Difference:
    """One thing that differs, under its name in the values or in the store's records.

    a and b are JSON values. None is: not there. Of choices that were added or removed they hold only these.
    """

    part: Part
    name: str
    change: Change
    a: Any
    b: Any


def compared(part: Part, name: str, a: Any, b: Any) -> Iterator[Difference]:
    """The difference of two values, if there is one."""
    if a != b:
        yield Difference(part, name, _change(a, b), a, b)


def compared_each(part: Part, a: Mapping[str, Any], b: Mapping[str, Any], prefix: str = "") -> Iterator[Difference]:
    """The differences of two maps, in their order; what one of them lacks is None there."""
    for name in dict.fromkeys([*a, *b]):
        yield from compared(part, prefix + name, a.get(name), b.get(name))


def _change(a: Any, b: Any) -> Change:
    if a is None:
        return "added"
    if b is None:
        return "removed"
    if _is_number(a) and _is_number(b):
        return "raised" if b > a else "lowered"
    return "changed"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
