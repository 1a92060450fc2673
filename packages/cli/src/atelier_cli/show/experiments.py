"""The searches of a store, in a line each."""

from __future__ import annotations

from collections.abc import Sequence

from atelier_store.searches import Searched
from rich import box
from rich.table import Table
from rich.text import Text

from atelier_cli.show.numbers import score


def experiments(searches: Sequence[Searched]) -> Table:
    """A table of searches."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("experiment", overflow="fold")
    for name in ("hash", "state"):
        table.add_column(name, no_wrap=True)
    table.add_column("trials", justify="right", no_wrap=True)
    table.add_column("best", overflow="fold")
    table.add_column("last active", no_wrap=True)
    for one in searches:
        best = f"{one.objective_metric_name} {score(one.best)} ({one.best_trial})" if one.best is not None else ""
        trials = f"{one.trials} of {one.max_trial_count or '?'}"
        moment = one.last_active[:16].replace("T", " ")
        table.add_row(*map(Text, (one.name, one.search_digest[:8], one.state, trials, best, moment)))
    return table
