"""How good is what a search of few trials with halving finds, replayed on a recorded table?

    uv run python -m benchmarks.search.with_halving --seeds 20

Trials pause at the third of nine epochs. Printed are the place of the best network that was trained to its end among
all of the table, and the epochs trained, both with their 95 % interval.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import get_args

import numpy as np
from atelier_cli.search.schedule import Result, Schedule
from atelier_searcher.decision import NO_SHORTLIST
from atelier_store import halving
from atelier_store.spec import AlgorithmName, EarlyStopping, Spec

from benchmarks.search import tables
from benchmarks.search.tables import Table


def spec(name: str, algorithm: AlgorithmName, trials: int, seed: int) -> Spec:
    """The search of a table, with halving."""
    of = tables.spec(name, algorithm, trials, seed)
    return of.model_copy(update={"experiment": of.experiment.model_copy(update={"early_stopping": EarlyStopping()})})


def search(table: Table, of: Spec, seed: int) -> tuple[int, int]:
    """The place of the best network that was trained to its end, from 1, and the epochs trained."""
    is_ours = of.experiment.algorithm.algorithm_name == "atelier"
    scored = table.shortlist(seed, **tables.FREE) if is_ours else NO_SHORTLIST
    schedule, best, epochs = Schedule(of, table.networks, 1, shortlist=scored), np.inf, 0
    while not schedule.is_done:
        job = schedule.decide()
        if job is None:
            continue
        values = table.values(job.key)
        end = halving.end_of_run(values, job.bars, tables.EPOCHS, of.experiment.objective)
        assert end is not None
        schedule.report(job, Result(end[1], values[: end[0]]))
        epochs += end[0] - job.resumed_at
        if end[0] == tables.EPOCHS:
            best = min(best, values[-1])
    final = np.sort(table.columns["val_loss"][table.recorded, -1])
    return int(np.searchsorted(final, best)) + 1, epochs


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each algorithm."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--table", choices=list(tables.SPACES), default="rows")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--only", nargs="+", choices=get_args(AlgorithmName), default=["atelier", "multivariate-tpe"])
    options = parser.parse_args(arguments)
    table = Table.read(options.table)
    for algorithm in options.only:
        specs = [spec(options.table, algorithm, options.trials, seed) for seed in range(options.seeds)]
        found = np.array([search(table, of, seed) for seed, of in enumerate(specs)])
        (place, epochs), half = found.mean(axis=0), 1.96 * found.std(axis=0, ddof=1) / np.sqrt(options.seeds)
        print(f"| {algorithm} | place {place:.1f} ± {half[0]:.1f} | {epochs:.0f} ± {half[1]:.0f} epochs |", flush=True)


if __name__ == "__main__":
    main()
