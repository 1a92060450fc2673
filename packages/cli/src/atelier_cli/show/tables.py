"""Tables for people: the leaderboard, predictions, what the doctor found."""

from __future__ import annotations

from collections.abc import Sequence

from atelier_store.records import Leaderboard
from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from atelier_cli.doctor.diagnosis import Diagnosis
from atelier_cli.serving import Sample


def leaderboard(board: Leaderboard, most: int = 10) -> RenderableType:
    """The best trials, then every trial that cannot be promoted with its reason."""
    title = f"{board.experiment} by {board.objective_metric_name}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    for name in ("", "trial", "key"):
        table.add_column(name, no_wrap=True)
    for name in ("value", "epochs", "params", "ms"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    ranked = [entry for entry in board.entries if entry.rank is not None]
    for entry in ranked[:most]:
        table.add_row(
            str(entry.rank),
            short(entry.trial),
            entry.key,
            f"{entry.metric:.4f}",
            str(entry.epochs),
            f"{entry.params:,}",
            f"{entry.latency_p50_ms:.2f}",
            entry.status,
            style="bold" if entry.rank == 1 else "",
        )
    if len(ranked) > most:
        table.caption = f"and {len(ranked) - most} more: atelier leaderboard --all"
    others = [Text(f"{short(e.trial)}: {e.reason or e.status}", "yellow") for e in board.entries if e.rank is None]
    return Group(table, *others)


def short(trial: str) -> str:
    """A trial's name; that of a tail without most of its parent's key."""
    return trial if len(trial) < 15 else trial[:12] + "…"


def predictions(samples: Sequence[Sample]) -> Table:
    """What the server answered to test samples, beside the truth."""
    table = Table(title="Predictions of test samples over HTTP", title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("row", "truth", "prediction", "probability"):
        table.add_column(name, justify="right")
    for sample in samples:
        probability = "" if sample.probability is None else f"{sample.probability:.3f}"
        names = escape(sample.truth), escape(sample.prediction)
        table.add_row(str(sample.row), *names, probability, style="" if sample.is_right else "yellow")
    return table


def diagnoses(found: Sequence[Diagnosis]) -> RenderableType:
    """A line per check; below, unbroken so that they can be copied, the commands that mend, each with what it mends."""
    colours = {"ok": "green", "warning": "yellow", "missing": "red"}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("result", "check"):
        table.add_column(name, no_wrap=True)
    table.add_column("found", overflow="fold")
    for one in found:
        table.add_row(Text(one.result, colours[one.result]), one.what, Text(one.found))
    mends: dict[str, list[str]] = {}
    for one in found:
        if one.mend:
            mends.setdefault(one.mend, []).append(one.what)
    lines = [Text(f"\n# {', '.join(whats)}\n", "dim").append(mend, "not dim") for mend, whats in mends.items()]
    return Group(table, *lines)
