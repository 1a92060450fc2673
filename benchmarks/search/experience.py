"""What does a search save that learns from five earlier ones, replayed on recorded tables?

    uv run python -m benchmarks.search.experience
    uv run python -m benchmarks.search.experience --seeds 20 --only off on

Nothing is trained. The earlier searches are the product's own, with halving, on the data of benchmarks/search/
relatives.py; the search that learns from them is on the table of rows, with halving too. Of TRIALS trials it counts the
epochs, the last ones of the winner included, and the regret: by how much the winner's last val_loss is above the lowest
of the table.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from atelier_cli.search.schedule import Result, Schedule
from atelier_searcher.decision import NO_EXPERIENCE, Networks
from atelier_searcher.experience import Experience
from atelier_searcher.rank_model import taught
from atelier_store import halving
from atelier_store.records import EarlierSearch, EarlierTrial
from atelier_store.spec import EarlyStopping, Spec
from numpy.typing import NDArray

from benchmarks.search import relatives, tables
from benchmarks.search.tables import EPOCHS, Table

EARLIER = 40
"""Trials of an earlier search."""

TRIALS = 60
"""Trials of the search that learns."""

DRAWS = 5
"""Times that the earlier searches are made, each by another seed."""

Trained = dict[str, tuple[float, ...]]


def spec(trials: int, seed: int) -> Spec:
    """The search of the table of rows, with halving."""
    of = tables.spec("rows", trials=trials, seed=seed)
    return of.model_copy(update={"experiment": of.experiment.model_copy(update={"early_stopping": EarlyStopping()})})


def networks(table: Table, curves: NDArray[np.float32]) -> Networks:
    """Those that have curves."""
    known = frozenset(np.flatnonzero(~np.isnan(curves[:, -1])).tolist())
    return Networks(
        key=table.networks.key,
        refusal=lambda params: None if int(table.networks.key(params)) in known else "not recorded",
    )


def searched(
    of: Spec, table: Table, curves: NDArray[np.float32], known: Experience = NO_EXPERIENCE
) -> tuple[Trained, Mapping[str, dict[str, str]]]:
    """The curves by key as far as they were trained, and the params."""
    schedule = Schedule(of, networks(table, curves), parallel=1, experience=known)
    trained, params = Trained(), dict[str, dict[str, str]]()
    while not schedule.is_done:
        job = schedule.decide()
        if job is None:
            continue
        values = tuple(curves[int(job.key)].tolist())
        ended = halving.end_of_run(values, job.bars, EPOCHS, of.experiment.objective)
        assert ended is not None
        schedule.report(job, Result(ended[1], values[: ended[0]]))
        trained[job.key] = values[: max(ended[0], len(trained.get(job.key, ())))]
        params[job.key] = job.suggestion.params
    return trained, params


@lru_cache(maxsize=DRAWS)
def earlier(draw: int) -> tuple[EarlierSearch, ...]:
    """What searches on the relatives came to."""
    table, found = Table.read("rows"), []
    for name, curves in relatives.read().items():
        if np.isnan(curves).all():  # not recorded
            continue
        trained, params = searched(spec(EARLIER, 1000 + draw), table, curves)
        trials = [
            EarlierTrial(trial=f"trial-{place:04}", key=f"{int(key):016x}", params=params[key], values=values)
            for place, (key, values) in enumerate(trained.items())
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


def reversed_(search: EarlierSearch) -> EarlierSearch:
    """The search with the parameters of the best trial given to the worst, and so on."""
    objective = spec(EARLIER, 0).experiment.objective
    by_value = sorted(search.trials, key=lambda one: (-len(one.values), objective.rank_key(one.values[-1])))
    trials = [
        one.model_copy(update={"params": other.params}) for one, other in zip(by_value, reversed(by_value), strict=True)
    ]
    return search.model_copy(update={"trials": tuple(trials)})


ARMS = ("off", "on", "suggestions alone", "rung alone", "shuffled", "reversed")


def experience(arm: str, of: Spec, seed: int) -> Experience:
    """What the search with this seed knows."""
    if arm == "off":
        return NO_EXPERIENCE
    found = earlier(seed % DRAWS)
    if arm == "shuffled":
        found = tuple(shuffled(one, seed) for one in found)
    elif arm == "reversed":
        found = tuple(map(reversed_, found))
    known = Experience("rows", found, taught(of, found))
    if arm == "suggestions alone":
        return replace(known, model=None)
    return replace(known, searches=()) if arm == "rung alone" else known


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each arm: epochs, regret, their ratios to the first arm's, how often the rung was believed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--only", nargs="+", choices=ARMS, default=ARMS)
    options = parser.parse_args(arguments)
    table = Table.read("rows")
    curves = table.columns["val_loss"]
    print(f"{TRIALS} trials of {len(table.recorded)} networks; {options.seeds} seeds", flush=True)
    found = {arm: np.zeros((options.seeds, 2)) for arm in options.only}
    trusted, seconds = dict.fromkeys(options.only, 0), dict.fromkeys(options.only, 0.0)
    for seed in range(options.seeds):
        for arm in options.only:
            started, of = time.process_time(), spec(TRIALS, seed)
            known = experience(arm, of, seed)
            found[arm][seed] = outcome(searched(of, table, curves, known)[0], curves)
            trusted[arm] += known.model is not None and known.model.is_worth_asking
            seconds[arm] += time.process_time() - started
    for arm, counts in found.items():
        epochs, regret = (_words(column) for column in counts.T)
        ratios = " | ".join(_ratio(counts[:, side], found[options.only[0]][:, side]) for side in (0, 1))
        print(f"| {arm} | {epochs} | {regret} | {ratios} | {trusted[arm] / options.seeds:.0%} | {seconds[arm]:.0f} s |")


def outcome(trained: Trained, curves: NDArray[np.float32]) -> tuple[float, float]:
    """The epochs, with those to the end of the winner, and its regret."""
    winner = min(trained, key=lambda key: (-len(trained[key]), trained[key][-1]))
    epochs = sum(map(len, trained.values())) + EPOCHS - len(trained[winner])
    return epochs, float(curves[int(winner), -1] - np.nanmin(curves[:, -1]))


def _words(counts: NDArray[np.float64]) -> str:
    """The mean with its 95 % interval (normal)."""
    return f"{counts.mean():.4g} ± {1.96 * counts.std(ddof=1) / np.sqrt(len(counts)):.2g}"


def _ratio(counts: NDArray[np.float64], first: NDArray[np.float64]) -> str:
    """The ratio of the mean to that of the first arm, with its 95 % interval (bootstrap over the seeds, in pairs)."""
    drawn = np.random.default_rng(0).integers(0, len(counts), (2000, len(counts)))
    low, high = np.percentile(counts[drawn].mean(axis=1) / first[drawn].mean(axis=1), [2.5, 97.5])
    return f"{counts.mean() / first.mean():.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
