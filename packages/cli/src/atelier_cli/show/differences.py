"""What differs between two trials or two searches, as tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from atelier_store.differences.difference import Difference
from atelier_store.differences.searches import SearchDifferences
from atelier_store.spec import Objective
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

MOST_SHARED = 8
WIDEST_NAME = 40
NOT_IN_A_SPEC = "resources, images, pods and modules of a cluster are no part of a spec"


def differences(a: str, b: str, found: Sequence[Difference]) -> RenderableType:
    """A table with a section for each part; or that nothing differs."""
    if not found:
        return Text("Nothing differs.")
    table = _table("", "", a, b)
    table.columns[0].min_width = min(WIDEST_NAME, 2 + max(len(difference.name) for difference in found))
    for part, of_part in groupby(found, key=lambda difference: difference.part):
        table.add_section()
        table.add_row(Text(part, "bold"))
        for difference in of_part:
            words = in_words(difference.a, difference.b)
            table.add_row(Text(f"  {difference.name}"), difference.change, *map(Text, words))
    return table


def search_differences(a: str, b: str, found: SearchDifferences, objective: Objective) -> RenderableType:
    """The same of two searches, then what they have in common; objective is that of the first."""
    shown: list[RenderableType] = [differences(a, b, found.differences)]
    if all(difference.part != "spec" for difference in found.differences):
        shown.append(Text(f"The specs say the same; {NOT_IN_A_SPEC}."))
    if found.restated:
        shown.append(Text(f"Written otherwise, with the same meaning: {', '.join(found.restated)}", "dim"))
    shown.append(Text(f"Trials that both have: {_shared(found)}"))
    if found.at_equal_cost:
        rows = "the same" if found.same_rows else "different"
        name = objective.objective_metric_name
        shown.append(Text(f"\nBest {name} at equal cost, on {rows} validation rows; trained epochs, reused ones too:"))
        table = _table("epochs", a, b)
        for one in found.at_equal_cost:
            table.add_row(f"{one.epochs:,}", *in_words(one.a, one.b))
        shown.append(table)
    return Group(*shown)


def in_words(a: Any, b: Any) -> tuple[str, str]:
    """Both values, for people, with as many digits as tell them apart."""
    short = _words(a), _words(b)
    if short[0] == short[1] and a != b:
        return str(a), str(b)
    return short


def _words(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    if isinstance(value, dict):
        return " ".join(_of_map(value))
    return f"{value[:16]}…" if re.fullmatch("[0-9a-f]{64}", value) else str(value)


def _of_map(value: dict[str, Any]) -> Iterator[str]:
    """A parameter, a range, or anything else."""
    rest = dict(value)
    if "parameterType" in rest:
        yield rest.pop("parameterType")
    if "min" in rest and "max" in rest:
        yield f"{_words(rest.pop('min'))} to {_words(rest.pop('max'))}"
    yield from (f"{name} {_words(inner)}" for name, inner in rest.items())


def _shared(found: SearchDifferences) -> str:
    names = [one.key if one.a != one.b else f"{one.key} ({one.a})" for one in found.shared_trials]
    more = [f"{len(names) - MOST_SHARED} more"] if len(names) > MOST_SHARED else []
    return f"{len(names)}" + (f": {', '.join(names[:MOST_SHARED] + more)}" if names else "")


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in columns:
        table.add_column(name, overflow="fold")
    return table
