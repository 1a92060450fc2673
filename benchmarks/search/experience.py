"""What does a search save that learns from five earlier ones, replayed on recorded tables?

    uv run python -m benchmarks.search.experience
    uv run python -m benchmarks.search.experience --seeds 20 --only off on --rungs 9 3

Nothing is trained. The earlier searches are the product's own, with halving, on the data of benchmarks/search/
relatives.py; the search that learns from them is on the table of rows, with halving too. Of TRIALS trials it prints the
epochs, the last ones of the winner included; the regret, by how much the winner's quality is above the best of the
table; in how many searches the winner was the best of all that were suggested; and the epochs after which the mean
regret is that of the whole first search, as a share of that search's.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from atelier_searcher.decision import NO_EXPERIENCE
from atelier_searcher.experience import Experience, best_first
from atelier_searcher.rank_model import taught
from atelier_store.records import EarlierSearch, EarlierTrial
from atelier_store.spec import Spec

from benchmarks.search import halved, relatives, tables, with_halving
from benchmarks.search.halved import Rungs, mean_in_words
from benchmarks.search.tables import Table

EARLIER = 40
"""Trials of an earlier search."""

TRIALS = 60
"""Trials of the search that learns."""

DRAWS = 5
"""Times that the earlier searches are made, each by another seed."""


def spec(trials: int, seed: int, rungs: Rungs) -> Spec:
    """The search of the table of rows, with halving."""
    return halved.spec("rows", "atelier", trials, seed, rungs=rungs)


def searched(of: Spec, table: Table, seed: int, known: Experience = NO_EXPERIENCE) -> halved.Replay:
    """A search with the shortlist that it has by default."""
    return halved.replay(of, table, shortlist=table.shortlist(seed, **tables.FREE), known=known)


@lru_cache(maxsize=DRAWS)
def earlier(draw: int, rungs: Rungs) -> tuple[EarlierSearch, ...]:
    """What searches on the relatives came to."""
    found = []
    for name in relatives.RELATIVES:
        one = searched(spec(EARLIER, 1000 + draw, rungs), with_halving.read(name), 1000 + draw)
        trials = [
            EarlierTrial(trial=f"trial-{place:04}", key=f"{int(key):016x}", params=one.params[key], values=values)
            for place, (key, values) in enumerate(one.trained.items())
        ]
        found.append(EarlierSearch(name=name, data_digest=name, trials=tuple(trials)))
    return tuple(found)


def shuffled(search: EarlierSearch, seed: int) -> EarlierSearch:
    """The search with the parameters of each trial given to another one."""
    order = np.random.default_rng(seed).permutation(len(search.trials))
    trials = [
        one.model_copy(update={"params": search.trials[other].params})
        for one, other in zip(search.trials, order, strict=True)
    ]
    return search.model_copy(update={"trials": tuple(trials)})


def reversed_(of: Spec, search: EarlierSearch) -> EarlierSearch:
    """The search with the parameters of the best trial given to the worst, and so on."""
    by_value = best_first(of.experiment.objective, search)
    trials = [
        one.model_copy(update={"params": other.params}) for one, other in zip(by_value, reversed(by_value), strict=True)
    ]
    return search.model_copy(update={"trials": tuple(trials)})


ARMS = ("off", "on", "suggestions alone", "rung alone", "shuffled", "reversed")


def experience(arm: str, of: Spec, seed: int, rungs: Rungs) -> Experience:
    """What the search with this seed knows."""
    if arm == "off":
        return NO_EXPERIENCE
    found = earlier(seed % DRAWS, rungs)
    if arm == "shuffled":
        found = tuple(shuffled(one, seed) for one in found)
    elif arm == "reversed":
        found = tuple(reversed_(of, one) for one in found)
    known = Experience("rows", found, taught(of, found))
    if arm == "suggestions alone":
        return replace(known, model=None)
    return replace(known, searches=()) if arm == "rung alone" else known


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each arm, at the end of it how often the earlier rung was believed, and the CPU seconds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--only", nargs="+", choices=ARMS, default=ARMS)
    parser.add_argument("--rungs", nargs=2, type=int, default=halved.DEFAULT, metavar=("FIRST", "ETA"))
    options = parser.parse_args(arguments)
    table, rungs = Table.read("rows"), (options.rungs[0], options.rungs[1])
    print(f"{TRIALS} trials of {len(table.recorded)} networks; {options.seeds} seeds", flush=True)
    replays: dict[str, list[halved.Replay]] = {}
    for arm in options.only:
        started, trusted, replays[arm] = time.process_time(), 0, []
        for seed in range(options.seeds):
            of = spec(TRIALS, seed, rungs)
            known = experience(arm, of, seed, rungs)
            replays[arm].append(searched(of, table, seed, known))
            trusted += known.model is not None and known.model.is_worth_asking
        epochs, regret = (mean_in_words(column) for column in np.array([one.course[-1] for one in replays[arm]]).T)
        hits = f"{np.mean([one.is_hit for one in replays[arm]]):.0%}"
        share = halved.epochs_to_its_regret(replays[arm], replays[options.only[0]])
        seconds = time.process_time() - started
        print(
            f"| {arm} | {epochs} | {regret} | {hits} | {share} | {trusted / options.seeds:.0%} | {seconds:.0f} s |",
            flush=True,
        )


if __name__ == "__main__":
    main()
