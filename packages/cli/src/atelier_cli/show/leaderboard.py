"""The leaderboard as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from atelier_store.records import BaselineScore, FinishLine, Leaderboard, LeaderboardEntry
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from atelier_cli.show.numbers import score


def leaderboard(board: Leaderboard, most: int = 10) -> RenderableType:
    """The best trials, then every trial that cannot be promoted with its reason."""
    ranked = [entry for entry in board.entries if entry.rank is not None]
    others = list(ranked[0].objectives)[1:] if ranked else []
    title = f"{board.experiment} by {', '.join([board.objective_metric_name, *others])}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    for name in ("", "trial", "key"):
        table.add_column(name, no_wrap=True)
    beside = [name for name in others if name not in ("params", "latencyMs")]
    for name in ("value", "epochs", "params", "ms", *beside):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    if others:
        table.add_column("", no_wrap=True)
    shown = [entry for entry in ranked if entry.rank is not None and (entry.rank <= most or entry.on_front)]
    for entry in shown:
        table.add_row(
            str(entry.rank),
            short_name(entry.trial),
            entry.key,
            "" if entry.metric is None else score(entry.metric),
            str(entry.epochs) if entry.best_epoch is None else f"{entry.best_epoch} of {entry.epochs}",
            f"{entry.params:,}",
            f"{entry.latency_p50_ms:.2f}",
            *(_number(entry.objectives[name]) if name in entry.objectives else "" for name in beside),
            entry.status,
            *(["front" if entry.on_front else ""] if others else []),
            style="bold" if entry.rank == 1 else "",
        )
    if len(ranked) > len(shown):
        table.caption = f"and {len(ranked) - len(shown)} more: atelier leaderboard --all"
    unranked = [entry for entry in board.entries if entry.rank is None]
    lines = (line for entry in unranked for line in _unranked(entry))
    return Group(table, *to_beat(board.baselines), *finish_lines(board.finish), *lines)


def _number(value: float) -> str:
    """A count as such, and anything else as a score."""
    return f"{value:,.0f}" if value >= 100 and value.is_integer() else score(value)


def to_beat(baselines: Sequence[BaselineScore]) -> Iterator[Text]:
    """A line with the scores of all baselines, if there are any."""
    if baselines:
        each = ", ".join(f"{baseline.name} {baseline.metric:.4f}" for baseline in baselines)
        yield Text(f"to beat: {each}", "cyan")


def finish_lines(lines: Sequence[FinishLine]) -> Iterator[Text]:
    """What was tried at the end of the search, of what, and what came of it."""
    for line in lines:
        trials = [member.trial for member in line.members] if line.what == "average" else [line.best_trial]
        of = f" of {', '.join(filter(None, trials))}" if trials else ""
        yield Text(f"{line.what}{of}: {'kept' if line.kept else 'not kept'}: {line.reason}", "cyan")


def _unranked(entry: LeaderboardEntry) -> Iterator[Text]:
    """Why a trial cannot be promoted, which one it is, and where the log with a traceback is, below the store."""
    yield Text(f"{short_name(entry.trial)}: {entry.reason or entry.status}", "yellow")
    details = [f"{name}={value}" for name, value in entry.parameters.items()]
    if entry.key is not None:
        log = [f"log: trials/{entry.key}/trial.log"] if entry.status != "rejected" else []
        details = [f"key {entry.key}", *details, *log]
    if details:
        yield Text(f"  {'; '.join(details)}", "dim")


def short_name(trial: str) -> str:
    """The name of a trial; of a tail, which holds its parent's key, only the start."""
    return trial if len(trial) < 15 else trial[:12] + "…"
