"""Searches with halving, replayed on a table's curves: what they trained, and how good their leader was on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from atelier_cli.search.schedule import Result, Schedule
from atelier_searcher.decision import NO_EXPERIENCE, NO_SHORTLIST
from atelier_searcher.experience import Experience
from atelier_searcher.shortlist import Shortlist
from atelier_store import halving
from atelier_store.spec import AlgorithmName, Decisions, EarlyStopping, Spec
from numpy.typing import NDArray

from benchmarks.search import tables
from benchmarks.search.tables import EPOCHS, Table

Array = NDArray[np.float64]
Rungs = tuple[int, int]
"""The first rung of halving, and the eta by which it is multiplied."""

DEFAULT: Rungs = (3, 3)
"""Of a profile that says neither: the third and the ninth of 27 epochs."""


def spec(
    name: str,
    algorithm: AlgorithmName,
    trials: int,
    seed: int,
    decisions: Decisions = "by-epochs",
    rungs: Rungs = DEFAULT,
) -> Spec:
    """The search of a table, with halving."""
    first, eta = rungs
    settings = [{"name": "eta", "value": str(eta)}, {"name": "min_epochs", "value": str(first)}]
    early = EarlyStopping.model_validate({"algorithmName": "halving", "algorithmSettings": settings})
    of = tables.spec(name, algorithm, trials, seed)
    experiment = of.experiment.model_copy(update={"early_stopping": early})
    return of.model_copy(update={"experiment": experiment, "decisions": decisions})


@dataclass(frozen=True)
class Replay:
    """A search as it went. trained has the curves of trials as far as they came, by key, and params theirs.

    course (jobs, 2) has what it would have come to if it had ended after each job: the epochs, with those to the end of
    its leader, and by how much the leader's quality is above the best of the table.
    """

    trained: dict[str, tuple[float, ...]]
    params: dict[str, dict[str, str]]
    course: Array
    is_hit: bool
    """Whether the winner is the best of all that were suggested, had each been trained to its end."""

    @property
    def winner(self) -> str:
        """The key of the winner."""
        return leader(self.trained)


def leader(trained: dict[str, tuple[float, ...]]) -> str:
    """The key of the best trial so far: who came further is better; of those, who has the lower value."""
    return min(trained, key=lambda key: (-len(trained[key]), trained[key][-1]))


def replay(
    of: Spec,
    table: Table,
    workers: int = 1,
    shortlist: Shortlist = NO_SHORTLIST,
    known: Experience = NO_EXPERIENCE,
) -> Replay:
    """A search of a table."""
    schedule = Schedule(of, table.networks, workers, shortlist=shortlist, experience=known)
    trained, params = dict[str, tuple[float, ...]](), dict[str, dict[str, str]]()
    course, least, epochs = list[tuple[float, float]](), float(np.nanmin(table.qualities)), 0
    while not schedule.is_done:
        job = schedule.decide()
        if job is None:
            continue
        values = table.values(job.key)
        ended = halving.end_of_run(values, job.bars, EPOCHS, of.experiment.objective)
        assert ended is not None
        schedule.report(job, Result(ended[1], values[: ended[0]]))
        epochs += ended[0] - job.resumed_at
        trained[job.key], params[job.key] = values[: ended[0]], job.suggestion.params
        first = leader(trained)
        course.append((epochs + EPOCHS - len(trained[first]), table.quality(first) - least))
    is_hit = table.values(leader(trained))[-1] <= min(table.values(key)[-1] for key in trained)
    return Replay(trained, params, np.array(course), is_hit)


def mean_in_words(counts: Array) -> str:
    """The mean with its 95 % interval (normal)."""
    return f"{counts.mean():.4g} ± {1.96 * counts.std(ddof=1) / np.sqrt(len(counts)):.2g}"


def epochs_to_its_regret(replays: Sequence[Replay], first: Sequence[Replay]) -> str:
    """The epochs after which searches have the mean regret of whole other ones, as a share of theirs.

    With the 95 % interval by the bootstrap over the seeds, in pairs; infinity where they never have.
    """
    grid = np.arange(1, max(one.course[-1, 0] for one in [*replays, *first]) + 1)
    courses, epochs = _regret_after(replays, grid), np.array([one.course[-1, 0] for one in first])
    target = np.array([one.course[-1, 1] for one in first])
    drawn = np.random.default_rng(0).integers(0, len(first), (1000, len(first)))
    every = np.arange(len(first))[None, :]
    (ratio,), ratios = (_ratios(courses, grid, target, epochs, of) for of in (every, drawn))
    low, high = np.percentile(ratios, [2.5, 97.5], method="nearest")
    return f"{ratio:.2f} ({low:.2f} to {high:.2f})"


def _ratios(courses: Array, grid: Array, target: Array, epochs: Array, drawn: NDArray[np.int64]) -> Array:
    """For each draw of seeds (n, seeds), the first of the epochs with its mean regret, by its mean epochs (n,)."""
    found = []
    for seeds in drawn:
        is_there = courses[seeds].mean(axis=0) <= target[seeds].mean()
        found.append((grid[is_there.argmax()] if is_there.any() else np.inf) / epochs[seeds].mean())
    return np.array(found)


def _regret_after(replays: Sequence[Replay], epochs: Array) -> Array:
    """The regret of each search, had it ended after so many epochs (searches, n); at least its first trial's."""
    found = []
    for one in replays:
        ends = np.maximum.accumulate(one.course[:, 0])
        found.append(one.course[np.maximum(np.searchsorted(ends, epochs, side="right") - 1, 0), 1])
    return np.array(found)
