"""What the doctor found, as a table and commands."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from atelier_cli.doctor.diagnosis import Diagnosis

COLOURS = {"ok": "green", "warning": "yellow", "missing": "red"}


def diagnoses(results: Sequence[Diagnosis]) -> RenderableType:
    """A line per check, then the commands that fix something, each with the checks it fixes; unbroken, to be copied."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("result", "check"):
        table.add_column(name, no_wrap=True)
    table.add_column("found", overflow="fold")
    fixes: dict[str, list[str]] = {}
    for diagnosis in results:
        table.add_row(Text(diagnosis.result, COLOURS[diagnosis.result]), diagnosis.check, Text(diagnosis.message))
        if diagnosis.fix:
            fixes.setdefault(diagnosis.fix, []).append(diagnosis.check)
    commands = [Text(f"\n# {', '.join(checks)}\n", "dim").append(fix, "not dim") for fix, checks in fixes.items()]
    return Group(table, *commands)
