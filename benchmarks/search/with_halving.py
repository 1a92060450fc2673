"""How good is what a search of few trials with halving finds, and after how many epochs, replayed on recorded tables?

    uv run python -m benchmarks.search.with_halving --seeds 20
    uv run python -m benchmarks.search.with_halving --tables noisy cancer --trials 25

Trials pause at the third and the ninth of 27 epochs, or where --rungs says: the first of them, and the eta by which it
is multiplied. Printed are the winner's place among all of the table, by how much its quality is above the best, in how
many searches it was the best of all that were suggested, the epochs trained, to the end of the winner, and the
multiply-adds of all epochs in units of the mean network's, each with its 95 % interval; then the epochs after which
the mean regret is that of the whole first search, as a share of that search's, which always has rungs at 3 and 9. The
relatives of the table of rows are tables of some of its networks each.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from atelier_searcher.decision import NO_SHORTLIST
from atelier_store.spec import AlgorithmName, Decisions

from benchmarks.search import halved, relatives, tables
from benchmarks.search.halved import Replay, Rungs
from benchmarks.search.tables import Table

SEARCHES: dict[str, tuple[AlgorithmName, bool, Decisions]] = {
    "multivariate-tpe, decisions by jobs (0.1)": ("multivariate-tpe", False, "by-jobs"),
    "atelier (the default)": ("atelier", True, "by-epochs"),
    "atelier, no shortlist": ("atelier", False, "by-epochs"),
    "multivariate-tpe": ("multivariate-tpe", False, "by-epochs"),
    "random": ("random", False, "by-epochs"),
}
"""By name: the algorithm, whether it has the default's shortlist, and by what its decisions see results."""


def read(name: str) -> Table:
    """A table, or a relative of the table of rows: its networks and their costs, with other curves."""
    if name in tables.SPACES:
        return Table.read(name)
    curves = relatives.read()[name]
    return Table("rows", Table.read("rows").columns | {"val_loss": curves, "again": curves[:, :0]})


def searched(name: str, table: Table, trials: int, seed: int, workers: int, rungs: Rungs) -> Replay:
    """The search of this name, of a table."""
    algorithm, has_shortlist, decisions = SEARCHES[name]
    of = halved.spec(table.name, algorithm, trials, seed, decisions, rungs)
    scored = table.shortlist(seed, **tables.FREE) if has_shortlist else NO_SHORTLIST
    return halved.replay(of, table, workers, scored)


def counts(table: Table, one: Replay) -> tuple[float, ...]:
    """The winner's place from 1, its regret, whether it was the best suggested, epochs, and their multiply-adds."""
    macs = table.columns["macs"] / table.columns["macs"][table.recorded].mean()
    epochs, regret = one.course[-1]
    trained = one.trained | {one.winner: table.values(one.winner)}
    work = sum(len(curve) * float(macs[int(key)]) for key, curve in trained.items())
    place = np.sum(table.qualities[table.recorded] < table.quality(one.winner)) + 1
    return float(place), regret, float(one.is_hit), epochs, work


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each table and search."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--tables", nargs="+", choices=[*tables.SPACES, *relatives.RELATIVES], default=["rows"])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--rungs", nargs=2, type=int, default=halved.DEFAULT, metavar=("FIRST", "ETA"))
    parser.add_argument("--only", nargs="+", choices=list(SEARCHES), default=list(SEARCHES))
    options = parser.parse_args(arguments)
    for name in options.tables:
        table, first = read(name), list[Replay]()
        print(f"{name}: {len(table.recorded)} networks recorded; {options.seeds} seeds", flush=True)
        for search in options.only:
            rungs = options.rungs if first else halved.DEFAULT
            replays = [
                searched(search, table, options.trials, seed, options.workers, rungs) for seed in range(options.seeds)
            ]
            first = first or replays
            found = np.array([counts(table, one) for one in replays])
            words = " | ".join(halved.mean_in_words(column) for column in found.T)
            print(f"| {search} | {words} | {halved.epochs_to_its_regret(replays, first)} |", flush=True)


if __name__ == "__main__":
    main()
