"""How good is what a search of few trials with halving finds, replayed on a recorded table?

    uv run python -m benchmarks.search.with_halving --seeds 20
    uv run python -m benchmarks.search.with_halving --table noisy cancer --trials 25

Trials pause at the third of nine epochs. Printed are the place of the best network that was trained to its end among
all of the table, the epochs trained, and the multiply-adds of all epochs in units of the mean network's, each with its
95 % interval. The relatives of the table of rows are tables
of 150 networks each.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from atelier_cli.search.schedule import Result, Schedule
from atelier_searcher.decision import NO_SHORTLIST
from atelier_store import halving
from atelier_store.spec import AlgorithmName, EarlyStopping, Spec

from benchmarks.search import relatives, tables
from benchmarks.search.tables import Table

SEARCHES: dict[str, tuple[AlgorithmName, bool]] = {
    "atelier (the default)": ("atelier", True),
    "atelier, no shortlist": ("atelier", False),
    "multivariate-tpe": ("multivariate-tpe", False),
    "random": ("random", False),
}
"""By name: the algorithm, and whether it has the default's shortlist."""


def read(name: str) -> Table:
    """A table, or a relative of the table of rows: its networks and their costs, with other curves."""
    if name in tables.SPACES:
        return Table.read(name)
    return Table("rows", Table.read("rows").columns | {"val_loss": relatives.read()[name]})


def spec(name: str, algorithm: AlgorithmName, trials: int, seed: int) -> Spec:
    """The search of a table, with halving."""
    of = tables.spec(name, algorithm, trials, seed)
    return of.model_copy(update={"experiment": of.experiment.model_copy(update={"early_stopping": EarlyStopping()})})


def search(table: Table, of: Spec, seed: int, has_shortlist: bool) -> tuple[int, int, float]:
    """The place of the best network that was trained to its end, from 1; the epochs trained; their multiply-adds."""
    scored = table.shortlist(seed, **tables.FREE) if has_shortlist else NO_SHORTLIST
    schedule, best, epochs, work = Schedule(of, table.networks, 1, shortlist=scored), np.inf, 0, 0.0
    macs = table.columns["macs"] / table.columns["macs"][table.recorded].mean()
    while not schedule.is_done:
        job = schedule.decide()
        if job is None:
            continue
        values = table.values(job.key)
        end = halving.end_of_run(values, job.bars, tables.EPOCHS, of.experiment.objective)
        assert end is not None
        schedule.report(job, Result(end[1], values[: end[0]]))
        trained = end[0] - job.resumed_at
        epochs, work = epochs + trained, work + trained * float(macs[int(job.key)])
        if end[0] == tables.EPOCHS:
            best = min(best, values[-1])
    final = np.sort(table.columns["val_loss"][table.recorded, -1])
    return int(np.searchsorted(final, best)) + 1, epochs, work


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each table and search."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--table", nargs="+", choices=[*tables.SPACES, *relatives.RELATIVES], default=["rows"])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--only", nargs="+", choices=list(SEARCHES), default=list(SEARCHES))
    options = parser.parse_args(arguments)
    for name in options.table:
        table = read(name)
        for searched in options.only:
            algorithm, has_shortlist = SEARCHES[searched]
            specs = [spec(table.name, algorithm, options.trials, seed) for seed in range(options.seeds)]
            found = np.array([search(table, of, seed, has_shortlist) for seed, of in enumerate(specs)])
            means, halves = found.mean(axis=0), 1.96 * found.std(axis=0, ddof=1) / np.sqrt(options.seeds)
            place, epochs, work = (f"{mean:.1f} ± {half:.1f}" for mean, half in zip(means, halves, strict=True))
            of_all = f"place {place} of {len(table.recorded)}"
            print(f"| {name} | {searched} | {of_all} | {epochs} epochs | {work} |", flush=True)


if __name__ == "__main__":
    main()
