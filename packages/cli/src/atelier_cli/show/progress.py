"""What people see of a search: live lines in a terminal, a line per event elsewhere."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from atelier_store.spec import Spec
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from atelier_cli.search.engine import Totals
from atelier_cli.search.schedule import Result, expected_epochs
from atelier_cli.show.tables import short

BARS = "▁▂▃▄▅▆▇█"
WIDEST_CURVE = 30


class SearchDisplay(AbstractContextManager["SearchDisplay"]):
    """A `Watcher` that shows a search: trials, the best so far, epochs spent and saved, time left, what runs now."""

    def __init__(self, spec: Spec, totals: Totals, console: Console) -> None:
        self.console = console
        self._spec, self._totals = spec, totals
        self._objective = spec.experiment.objective
        self._curves: dict[str, list[float]] = {}
        self._before: dict[str, int] = {}
        self._values: dict[str, float] = {}
        self._ends: dict[str, int] = {}
        self._started = time.monotonic()
        self._trained_now = 0
        self._live = Live(get_renderable=self._picture, console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    # what the engine tells

    def started(self, name: str, epochs_before: int) -> None:
        """A trial's process runs."""
        self._curves[name], self._before[name] = [], epochs_before

    def epoch(self, name: str, epoch: int, value: float) -> None:
        """One more point of a curve."""
        self._curves[name].append(value)
        self._trained_now += epoch > self._before[name]

    def ended(self, name: str, result: Result, trained: int, reason: str | None) -> None:
        """A line for good, unless the trial was answered from the store."""
        self._curves.pop(name, None)
        if result.values:
            self._values[name] = result.values[-1]
            self._ends[name] = max(len(result.values), self._ends.get(name, 0))
        if trained or result.outcome == "failed":
            self.console.print(self._line(name, result, reason), highlight=False)

    # what people see

    def _line(self, name: str, result: Result, reason: str | None) -> Text:
        colours = {"succeeded": "green", "paused": "blue", "over_budget": "yellow", "failed": "red"}
        line = Text(f"{short(name):<13} ").append(f"{result.outcome.replace('_', ' '):<11} ", colours[result.outcome])
        if result.values:
            line.append(
                f"epoch {len(result.values):>3}  {self._objective.objective_metric_name} {result.values[-1]:.4f}"
            )
            line.append("  best so far" if self._best() == name else "", "bold")
        if reason and result.outcome in ("failed", "over_budget"):
            line.append(reason)
        return line

    def _best(self) -> str | None:
        return min(self._values, key=lambda name: self._objective.rank_key(self._values[name]), default=None)

    def _picture(self) -> RenderableType:
        expected = max(1, expected_epochs(self._spec) + self._spec.trainer.tail_epochs)
        done = min(sum(self._ends.values()) + sum(map(len, self._curves.values())), expected)
        progress = Table.grid(padding=(0, 2))
        progress.add_row(
            ProgressBar(total=expected, completed=done, width=40), f"{done / expected:.0%}", self._left(done, expected)
        )
        best = self._best()
        trials = f"trials {self._totals.trials} of {self._spec.experiment.max_trial_count}, {self._totals.reused} found trained"
        facts = [
            f"{trials}; best {self._values[best]:.4f} ({short(best)})" if best else trials,
            f"epochs {self._trained_now} spent, {self.saved()} saved by stopping early",
        ]
        running = Table.grid(padding=(0, 2))
        for name, curve in self._curves.items():
            latest = f"{curve[-1]:.4f}" if curve else "…"
            kind = "tail" if name.startswith("tail-") else "goes on" if self._before[name] else "new"
            running.add_row(short(name), kind, f"epoch {len(curve)}", latest, sparkline(curve))
        return Group(progress, *(Text(fact, no_wrap=True, overflow="ellipsis") for fact in facts), running)

    def saved(self) -> int:
        """Epochs that were not trained, against training every trial that ended to maxEpochs."""
        whole = self._spec.trainer.max_epochs
        return sum(max(0, whole - epochs) for name, epochs in self._ends.items() if not name.startswith("tail-"))

    def _left(self, done: int, expected: int) -> str:
        if not self._trained_now:
            return ""
        seconds = (time.monotonic() - self._started) / self._trained_now * max(expected - done, 0)
        return f"about {duration(seconds)} left"


def sparkline(curve: list[float]) -> str:
    """A curve as a row of blocks, its latest part if it is long."""
    shown = curve[-WIDEST_CURVE:]
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(BARS[round((value - low) * scale)] for value in shown)


def duration(seconds: float) -> str:
    """Seconds in words: 42 s, 3 min 5 s, 1 h 2 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
