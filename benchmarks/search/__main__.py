"""How many trainings does a search need to the best networks of a space, replayed on recorded tables?

    uv run python -m benchmarks.search
    uv run python -m benchmarks.search --tables rows --seeds 20 --only shortlist
    uv run python -m benchmarks.search --tables --cells nats_bench.csv --stages nas-bench-macro_cifar10.json

Nothing is trained: the searcher's decisions are answered from the tables. A search counts as many trainings as are
suggested until one is among the best 0.3 % (1 %) of the networks, or MOST if none is.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from atelier_cli.search.schedule import Result, Schedule
from atelier_searcher.decision import NO_SHORTLIST
from atelier_searcher.shortlist import Shortlist
from atelier_searcher.space import Point, Space
from atelier_store.spec import AlgorithmName, Decisions, Proxy

from benchmarks.search import public, tables
from benchmarks.search.tables import Believed, Table

MOST = 150
SHARES = (0.003, 0.01)
Search = Callable[[Table, int, int], Iterator[str]]
"""The keys of the networks that a search trains, in their order: of a table, by a seed, so many at a time."""


def product(
    table: Table,
    seed: int,
    workers: int,
    algorithm: AlgorithmName = "atelier",
    shortlist: Callable[[Table, int], Shortlist] | None = None,
    decisions: Decisions = "by-epochs",
) -> Iterator[str]:
    """The product's own search: its schedule of jobs, with the lag that several workers have."""
    spec = tables.spec(table.name, algorithm, MOST, seed).model_copy(update={"decisions": decisions})
    scored = NO_SHORTLIST if shortlist is None else shortlist(table, seed)
    schedule = Schedule(spec, table.networks, workers, shortlist=scored)
    while not schedule.is_done:
        job = schedule.decide()
        if job is not None:
            schedule.report(job, Result("succeeded", table.values(job.key)))
            yield job.key


def shortlist(
    table: Table,
    seed: int,
    proxies: tuple[Proxy, ...] = ("synflow", "naswot"),
    candidates: int = 1000,
    believed: Believed = "as they are",
) -> Shortlist:
    """The table's shortlist, drawn by the seed."""
    return table.shortlist(seed, proxies, candidates, believed)


def evolution(table: Table, seed: int, workers: int, population: int = 20, sample: int = 5) -> Iterator[str]:
    """Regularised evolution (Real et al. 2019), which trains no network twice; it sees results as 0.1 did."""
    draw = random.Random(seed)  # no secret
    space = Space(tables.spec(table.name).experiment.parameters)
    seen: dict[str, float] = {}
    left = iter(space.points(seed))
    while True:
        known = _results(seen, workers)[-population:]
        if len(known) < population:
            proposed = left
        else:
            parent = min(draw.sample(known, sample), key=lambda item: item[1])[0]
            proposed = space.around(space.point(table.points[int(parent)]), draw.randrange(2**31))
        if (key := _first_new(table, space, proposed, seen)) is None:
            return
        seen[key] = table.values(key)[-1]
        yield key


def local_search(table: Table, seed: int, workers: int) -> Iterator[str]:
    """The nearest network to the best that is not trained yet, after ten at random; it sees results as 0.1 did."""
    space = Space(tables.spec(table.name).experiment.parameters)
    seen: dict[str, float] = {}
    left = iter(space.points(seed))
    while True:
        known = _results(seen, workers)
        best = min(known, key=lambda item: item[1])[0] if len(known) >= 10 else None
        proposed = left if best is None else space.around(space.point(table.points[int(best)]), seed + len(seen))
        if (key := _first_new(table, space, proposed, seen)) is None:
            return
        seen[key] = table.values(key)[-1]
        yield key


def _results(seen: Mapping[str, float], workers: int) -> list[tuple[str, float]]:
    """The results, by key, that a decision of 0.1 saw: of all but the last jobs."""
    lag = 1 if workers == 1 else 2 * workers
    return list(seen.items())[: max(0, len(seen) - lag + 1)]


def _first_new(table: Table, space: Space, proposed: Iterable[Point], seen: Mapping[str, float]) -> str | None:
    """The key of the first of these points whose network is neither trained nor refused."""
    for point in proposed:
        key = table.networks.key(space.params(point))
        if key not in seen and table.networks.refusal(space.params(point)) is None:
            return key
    return None


def listed(believed: Believed = "as they are", **options: Any) -> Search:
    """The product with a shortlist."""
    return partial(product, shortlist=partial(shortlist, believed=believed, **options))


SEARCHES: dict[str, Search] = {
    "atelier (the default)": listed(**tables.FREE),
    "atelier, costs shuffled": listed("shuffled", **tables.FREE),
    "atelier, costs reversed": listed("reversed", **tables.FREE),
    "atelier, no shortlist": product,
    "atelier, no shortlist, decisions by jobs": partial(product, decisions="by-jobs"),
    "multivariate-tpe": partial(product, algorithm="multivariate-tpe"),
    "multivariate-tpe, decisions by jobs (0.1)": partial(product, algorithm="multivariate-tpe", decisions="by-jobs"),
    "random": partial(product, algorithm="random"),
    "regularised evolution 20/5": evolution,
    "local search": local_search,
    "tpe": partial(product, algorithm="tpe"),
    "bayesianoptimization (GP)": partial(product, algorithm="bayesianoptimization"),
    "shortlist": listed(),
    "shortlist, shuffled": listed("shuffled"),
    "shortlist, reversed": listed("reversed"),
    "shortlist of 100": listed(candidates=100),
    "shortlist by synflow": listed(proxies=("synflow",)),
    "shortlist by naswot": listed(proxies=("naswot",)),
    "shortlist by params": listed(proxies=("params",)),
    "shortlist by synflow, naswot, params": listed(proxies=("synflow", "naswot", "params")),
    "shortlist by all four": listed(proxies=tables.PROXIES),
}


@dataclass
class Counts:
    """Trainings to each share, of every seed, and CPU seconds of the whole."""

    trainings: dict[float, list[int]] = field(default_factory=lambda: {share: [] for share in SHARES})
    seconds: float = 0.0

    def words(self, share: float) -> str:
        """The mean with its 95 % interval (normal), and the share of seeds that got there."""
        counts = np.array(self.trainings[share])
        half = 1.96 * counts.std(ddof=1) / np.sqrt(len(counts))
        return f"{counts.mean():.1f} ± {half:.1f}, {np.mean(counts < MOST):.0%}"


def count(search: Search, table: Table, seeds: int, workers: int) -> Counts:
    """Replay a search by many seeds."""
    counts, started = Counts(), time.process_time()
    bounds = {share: table.bound(share) for share in SHARES}
    for seed in range(seeds):
        left = dict(bounds)
        for number, key in zip(range(1, MOST + 1), search(table, seed, workers), strict=False):
            for share in [share for share, bound in left.items() if table.quality(key) <= bound]:
                counts.trainings[share].append(number)
                del left[share]
            if not left:
                break
        for share in left:
            counts.trainings[share].append(MOST)
    counts.seconds = time.process_time() - started
    return counts


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each table, number of workers and search."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--tables", nargs="*", choices=list(tables.SPACES), default=list(tables.SPACES))
    parser.add_argument("--cells", type=Path, help="also on a table of NAS-Bench-201, a CSV")
    parser.add_argument("--stages", type=Path, help="also on NAS-Bench-Macro, its JSON")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--only", nargs="+", choices=list(SEARCHES), default=list(SEARCHES))
    options = parser.parse_args(arguments)
    found = [Table.read(name) for name in options.tables]
    found += [public.cells(options.cells)] if options.cells else []
    found += [public.stages(options.stages)] if options.stages else []
    for table in found:
        print(
            f"{table.name}: {len(table.recorded)} of {len(table.points)} networks recorded; {options.seeds} seeds",
            flush=True,
        )
        for workers in options.workers:
            for search in options.only:
                counts = count(SEARCHES[search], table, options.seeds, workers)
                best, good = (counts.words(share) for share in SHARES)
                print(f"| {search} | {workers} | {best} | {good} | {counts.seconds:.0f} s |", flush=True)


if __name__ == "__main__":
    main()
