"""How a search is shown: live lines in a terminal, a line per event elsewhere."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from atelier_store.in_words import duration
from atelier_store.spec import Spec
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from atelier_cli.search.engine import Totals
from atelier_cli.search.schedule import Result, expected_epochs
from atelier_cli.show.leaderboard import short_name
from atelier_cli.show.numbers import score

BLOCKS = "▁▂▃▄▅▆▇█"
WIDEST_CURVE = 30

AT_THE_END = ("tail", "average", "mirror", "retrained", "int8")
"""What trials are called that come after the search, each with a key."""
COLOURS = {"succeeded": "green", "paused": "blue", "over_budget": "yellow", "failed": "red"}


class SearchDisplay(AbstractContextManager["SearchDisplay"]):
    """A `Watcher` that shows a search: trials, the best so far, epochs trained and saved, time left, what runs now."""

    def __init__(self, spec: Spec, totals: Totals, console: Console) -> None:
        self.console = console
        self._spec, self._totals = spec, totals
        self._objective = spec.experiment.objective
        self._curves: dict[str, list[float]] = {}
        self._under_way: dict[str, str] = {}
        self._epochs_before: dict[str, int] = {}
        self._last_values: dict[str, float] = {}
        self._last_epochs: dict[str, int] = {}
        self._best_ever: float | None = None
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

    # events of the engine

    def started(self, name: str, epochs_before: int) -> None:
        """Show a trial that runs."""
        self._curves[name], self._epochs_before[name] = [], epochs_before
        self._under_way.pop(name, None)

    def epoch(self, name: str, epoch: int, value: float) -> None:
        """Show one more point of a curve."""
        self._curves[name].append(value)
        self._under_way.pop(name, None)
        self._trained_now += epoch > self._epochs_before[name]

    def under_way(self, name: str, text: str) -> None:
        """Show how far an epoch is; where nothing is drawn anew, in a line that stays."""
        self._under_way[name] = text
        if not self.console.is_terminal:
            self.console.print(f"{short_name(name)}: {text}", markup=False, highlight=False)

    def ended(self, name: str, result: Result, trained: int, reason: str | None) -> None:
        """Print a line that stays, unless the result was in the store."""
        self._curves.pop(name, None)
        self._under_way.pop(name, None)
        if result.values:
            self._last_values[name] = result.values[-1]
            self._last_epochs[name] = max(len(result.values), self._last_epochs.get(name, 0))
        is_best = bool(result.values) and self._is_best_so_far(result.values[-1])
        if trained or result.outcome == "failed":
            self.console.print(self._line(name, result, reason, is_best), highlight=False)

    def note(self, text: str) -> None:
        """Print a line that stays."""
        self.console.print(text, style="yellow", markup=False, highlight=False)

    # what it shows

    def saved(self) -> int:
        """Epochs that were not trained, compared with training every trial that ended to maxEpochs."""
        most = self._spec.trainer.max_epochs
        trained = (
            epochs
            for name, epochs in self._last_epochs.items()
            if not name.startswith(tuple(f"{of}-" for of in AT_THE_END))
        )
        return sum(max(0, most - epochs) for epochs in trained)

    def _is_best_so_far(self, value: float) -> bool:
        """Whether no trial, nor this one at another epoch, ended with a value as good before."""
        if self._best_ever is not None and not self._objective.better(value, self._best_ever):
            return False
        self._best_ever = value
        return True

    def _line(self, name: str, result: Result, reason: str | None, is_best: bool) -> Text:
        outcome = result.outcome.replace("_", " ")
        line = Text(f"{short_name(name):<13} ").append(f"{outcome:<11} ", COLOURS[result.outcome])
        if result.values:
            metric = self._objective.objective_metric_name
            line.append(f"epoch {len(result.values):>3}  {metric} {score(result.values[-1])}")
            line.append("  best so far" if is_best else "", "bold")
        if reason and result.outcome in ("failed", "over_budget"):
            line.append(reason)
        return line

    def _best(self) -> str | None:
        return min(self._last_values, key=lambda name: self._objective.rank_key(self._last_values[name]), default=None)

    def _picture(self) -> RenderableType:
        return Group(self._progress(), *self._facts(), self._running(), *self._epochs_under_way())

    def _progress(self) -> Table:
        expected = max(1, expected_epochs(self._spec) + self._spec.trainer.tail_epochs)
        done = min(sum(self._last_epochs.values()) + sum(map(len, self._curves.values())), expected)
        bar = ProgressBar(total=expected, completed=done, width=40)
        table = Table.grid(padding=(0, 2))
        table.add_row(bar, f"{done / expected:.0%}", self._time_left(expected - done))
        return table

    def _time_left(self, epochs: int) -> str:
        if not self._trained_now:
            return ""
        return f"about {duration((time.monotonic() - self._started) / self._trained_now * epochs)} left"

    def _facts(self) -> list[Text]:
        trials = f"trials {self._totals.trials - self._totals.uncounted} of {self._spec.experiment.max_trial_count}"
        reused = f"{self._totals.reused} found trained"
        best = self._best()
        value = f"; best {score(self._last_values[best])} ({short_name(best)})" if best else ""
        epochs = f"epochs {self._trained_now} spent, {self.saved()} saved by stopping early"
        return [Text(fact, no_wrap=True, overflow="ellipsis") for fact in (f"{trials}, {reused}{value}", epochs)]

    def _running(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, curve in self._curves.items():
            latest = score(curve[-1]) if curve else "…"
            kind = next((of for of in AT_THE_END if name.startswith(f"{of}-")), None)
            kind = kind or ("goes on" if self._epochs_before[name] else "new")
            table.add_row(short_name(name), kind, f"epoch {len(curve)}", latest, sparkline(curve))
        return table

    def _epochs_under_way(self) -> list[Text]:
        lines = (f"{short_name(name)}: {text}" for name, text in list(self._under_way.items()))
        return [Text(line, no_wrap=True, overflow="ellipsis") for line in lines]


def sparkline(curve: list[float]) -> str:
    """A curve as a row of blocks; of a long one, the last part."""
    shown = curve[-WIDEST_CURVE:]
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    scale = (len(BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(BLOCKS[round((value - low) * scale)] for value in shown)
