"""The jobs of one machine: which trial runs next, with several at a time and always the same decisions.

Pure: no time, no file, no process. A decision sees the results of the jobs that have ended by a clock of epochs, in
whatever order they really ended. So the same profile, seed and results give the same decisions, and a search is
replayed from its store.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from atelier_searcher.decision import (
    NO_EXPERIENCE,
    NO_SHORTLIST,
    Networks,
    Nothing,
    Resume,
    Suggestion,
    decide,
    values_at,
)
from atelier_searcher.experience import Experience, early_rung
from atelier_searcher.history import Trial
from atelier_searcher.latency import Measured
from atelier_searcher.shortlist import Shortlist
from atelier_store import halving
from atelier_store.spec import EarlyStopping, Objective, Spec


@dataclass(frozen=True)
class Job:
    """One run of a trial. bars are the values to reach at each rung to go on; resumed_at is its last rung, 0 if new.

    why: the reason for which it goes on there, if that is not its value.
    """

    number: int
    suggestion: Suggestion
    bars: dict[int, float | None]
    resumed_at: int = 0
    why: str | None = None

    @property
    def key(self) -> str:
        """The trial's key."""
        return self.suggestion.key

    @property
    def trial(self) -> str:
        """The trial's name."""
        return trial_name(self.suggestion.number)


@dataclass(frozen=True)
class Result:
    """How a job ended; values are the objective after each epoch, others the other objectives at its end.

    found: the store had them before it was suggested. measured is the latency of its network, if that is asked for.
    """

    outcome: halving.Outcome | Literal["over_budget", "failed"]
    values: tuple[float, ...] = ()
    found: bool = False
    others: tuple[float, ...] = ()
    measured: Measured | None = None


class Clock:
    """Workers that take a unit of time for each epoch: in which order jobs end, whatever a real epoch takes.

    ends are the epochs at which a job may end, ascending. The order is known as far as no job that runs may end before.
    """

    def __init__(self, workers: int, ends: Sequence[int]) -> None:
        self._workers, self._ends = workers, ends
        self._now = 0
        self._earliest: dict[int, int] = {}  # by job: when it ends, or may end at the earliest
        self._started: dict[int, tuple[Job, int]] = {}
        self._ended: set[int] = set()

    @property
    def is_idle(self) -> bool:
        """Whether a worker has nothing to do."""
        return len(self._started) < self._workers

    @property
    def is_running(self) -> bool:
        """Whether a worker has something to do."""
        return bool(self._started)

    @property
    def first(self) -> int | None:
        """The number of the job that ends first; None where that cannot be said yet, or nothing runs."""
        number = min(self._started, key=lambda n: (self._earliest[n], n), default=None)
        return number if number in self._ended else None

    def start(self, job: Job) -> None:
        """An idle worker begins a job now."""
        self._started[job.number] = job, self._now
        self.progress(job, job.resumed_at + 1)

    def progress(self, job: Job, epochs: int) -> None:
        """A job has trained so many epochs of its trial, and has not ended before."""
        if job.number in self._started and job.number not in self._ended:
            self._ends_at(job, next((end for end in self._ends if end >= epochs), self._ends[-1]))

    def end(self, job: Job, result: Result) -> None:
        """How a job ended. What failed or was over budget takes a time that the job could have been known to take."""
        if result.outcome == "failed":
            self._ends_at(job, self._ends[-1])
        elif result.outcome == "over_budget":
            self._ends_at(job, next(end for end in self._ends if end > job.resumed_at))
        else:
            self._ends_at(job, len(result.values))
        self._ended.add(job.number)

    def remove(self, number: int) -> None:
        """It is now when this job, the first, ends."""
        self._now = max(self._now, self._earliest[number])
        del self._started[number]

    def _ends_at(self, job: Job, epochs: int) -> None:
        self._earliest[job.number] = self._started[job.number][1] + epochs - job.resumed_at


def trial_name(number: int) -> str:
    """The name of the trial that was suggested as this number."""
    return f"trial-{number:04}"


class Schedule:
    """Decides job after job; `decide` may be called once `ready`, and jobs are reported in any order.

    made holds what earlier runs suggested, by number: a search goes on with those trials even where more epochs,
    another number of trials at a time or another release of the sampler would have suggested others.
    """

    def __init__(
        self,
        spec: Spec,
        networks: Networks,
        parallel: int,
        made: Mapping[int, dict[str, str]] | None = None,
        shortlist: Shortlist = NO_SHORTLIST,
        experience: Experience = NO_EXPERIENCE,
    ) -> None:
        self._spec = spec
        self._networks = networks
        self._made = made or {}
        self._shortlist = shortlist
        self._experience = experience
        self._lag = 1 if parallel == 1 else 2 * parallel
        self._rungs = halving.rungs(spec.experiment.early_stopping, spec.trainer.max_epochs)
        ends = [*self._rungs, spec.trainer.max_epochs]
        self._clock = Clock(virtual_workers(parallel), ends) if spec.decisions == "by-epochs" else None
        self._waits = False
        self._jobs: list[Job | None] = []
        self._results: dict[int, Result] = {}
        self._applied = 0
        self._trials: list[Trial] = []
        self._failed: set[int] = set()
        self.is_done = False
        self.exhausted: str | None = None
        """Why the search ended before maxTrialCount, if it did."""

    def report(self, job: Job, result: Result) -> None:
        """Record how a job ended.

        What counts at once, not when a decision gets to see it: a failure, for no more should fail; and that the store
        had the result, which is known when a trial is suggested.
        """
        self._results[job.number] = result
        if self._clock is not None:
            self._clock.end(job, result)
        number = job.suggestion.number
        if result.outcome == "failed":
            self._failed.add(number)
        if result.found:
            self._trials[number] = replace(self._trials[number], found=True)

    @property
    def ready(self) -> bool:
        """Whether every result that the next decision has to see is there."""
        if self._clock is not None:
            is_free = self._clock.is_idle and not self._waits
            return not self.is_done and (is_free or self._clock.first is not None)
        seen = len(self._jobs) - self._lag + 1
        return not self.is_done and all(
            self._jobs[n] is None or n in self._results for n in range(self._applied, max(seen, 0))
        )

    def decide(self) -> Job | None:
        """The next job; None if there is none now. `is_done` is true once there will be no other."""
        if self._clock is not None:
            return self._decide_by(self._clock)
        number = len(self._jobs)
        self._apply_results(max(number - self._lag + 1, 0))
        job = None if self.gave_up else self._next(number)
        self._jobs.append(job)
        outstanding = [j for j in self._jobs[self._applied :] if j is not None]
        self.is_done = job is None and (not outstanding or self._has_ended())
        return job

    def progress(self, job: Job, epochs: int) -> None:
        """Record that a job has trained so many epochs of its trial, which lets a decision come earlier."""
        if self._clock is not None:
            self._clock.progress(job, epochs)

    def _decide_by(self, clock: Clock) -> Job | None:
        """The next job, of a worker that was idle or whose job is the first to end."""
        if self._waits or not clock.is_idle:
            first = clock.first
            assert first is not None
            clock.remove(first)
            ended = self._jobs[first]
            assert ended is not None
            self._apply(ended, self._results[first])
        job = None if self.gave_up else self._next(len(self._jobs))
        self._jobs.append(job)
        self._waits = job is None
        if job is not None:
            clock.start(job)
        self.is_done = job is None and (not clock.is_running or self._has_ended())
        return job

    def _apply_results(self, count: int) -> None:
        """Apply the results of the first count jobs, in their order."""
        for number in range(self._applied, count):
            job = self._jobs[number]
            if job is not None:
                self._apply(job, self._results[number])
        self._applied = max(self._applied, count)

    def _apply(self, job: Job, result: Result) -> None:
        before = self._trials[job.suggestion.number]
        if len(result.values) >= len(before.values):
            before = replace(before, values=result.values, others=result.others)
        measured = result.measured or before.measured
        self._trials[job.suggestion.number] = replace(before, status=result.outcome, measured=measured)

    def _has_ended(self) -> bool:
        """Whether the goal is reached, or too many trials failed."""
        objective = self._spec.experiment.objective
        return self.gave_up or any(trial.values and objective.reaches(trial.values[-1]) for trial in self._trials)

    @property
    def gave_up(self) -> bool:
        """Whether too many trials failed. Katib's rule: maxFailedTrialCount of them end a search, or 1 if it is 0."""
        return len(self._failed) >= max(1, self._spec.experiment.max_failed_trial_count)

    def _next(self, number: int) -> Job | None:
        decision = decide(self._spec, self._trials, self._networks, self._made, self._shortlist, self._experience)
        self.exhausted = decision.reason if isinstance(decision, Nothing) else None
        if isinstance(decision, Nothing):
            return None
        if isinstance(decision, Resume):
            return self._resume(number, decision)
        self._trials.append(Trial(decision.params, decision.key))
        return Job(number, decision, self._bars(decision.key, above=0))

    def _resume(self, number: int, decision: Resume) -> Job:
        first = next(job.suggestion for job in self._jobs if job is not None and job.key == decision.key)
        self._trials[first.number] = replace(self._trials[first.number], status="running")
        return Job(number, first, self._bars(decision.key, above=decision.rung), decision.rung, decision.reason)

    def _bars(self, key: str, above: int) -> dict[int, float | None]:
        several = bool(self._spec.experiment.objectives)  # what a trial costs is known where it pauses
        early = early_rung(self._trials, self._experience) if above == 0 else None  # so is its place by the model
        bars = {} if early is None else {early: None}
        return bars | {rung: None if several else self._bar(rung, key) for rung in self._rungs if rung > above}

    def _bar(self, rung: int, key: str) -> float | None:
        others = [value for other, value in values_at(self._trials, rung).items() if other != key]
        return halving.bar(others, self._spec.experiment.objective, self._spec.experiment.early_stopping.eta)


def virtual_workers(parallel: int) -> int:
    """Workers of the clock: more than there are, so that a job waits for each that becomes free."""
    return parallel + math.ceil((parallel - 1) * AHEAD)


AHEAD = 0.5
"""Jobs decided ahead, for each trial at a time but the first: more keep workers busy, and let decisions see less."""

MOST_SIMULATED = 200
"""Trials of a search that is simulated; more take about as many epochs each."""

ORDERS = 8
"""Orders in which the trials of a simulated search come."""


def expected_epochs(spec: Spec) -> int:
    """Epochs that a search of this many trials trains, if their values come in random order and stay in it.

    They are more than the share 1/eta of every rung: of the first trials, which have few to be compared with, more go
    on than the best of all. The winner is trained to its end, also if it is still paused when the last trial ends.
    """
    most, stopping = spec.experiment.max_trial_count, spec.experiment.early_stopping
    count = min(most, MOST_SIMULATED)
    searching, winner = _simulated_epochs(stopping, spec.trainer.max_epochs, count)
    return round(searching * most / count + winner)


@lru_cache(maxsize=8)
def _simulated_epochs(stopping: EarlyStopping, max_epochs: int, count: int) -> tuple[float, float]:
    """Epochs of so many trials by halving's rule, one at a time, and then of the winner; the means over orders."""
    draw = random.Random(0)  # noqa: S311  # no secret
    orders = [draw.sample(range(count), count) for _ in range(ORDERS)]
    searching, winner = zip(*(_epochs_in_order(stopping, max_epochs, order) for order in orders), strict=True)
    return sum(searching) / ORDERS, sum(winner) / ORDERS


def _epochs_in_order(stopping: EarlyStopping, max_epochs: int, order: Sequence[int]) -> tuple[int, int]:
    objective, rungs = Objective(), halving.rungs(stopping, max_epochs)
    values = {str(trial): float(value) for trial, value in enumerate(order)}
    reached: dict[int, dict[str, float]] = {rung: {} for rung in rungs}
    paused: dict[str, int] = {}
    epochs, new = 0, iter(values)
    while (key := halving.to_resume(reached, paused, objective, stopping.eta) or next(new, None)) is not None:
        start, end = paused.pop(key, 0), max_epochs
        for rung in (rung for rung in rungs if rung > start):
            bar = halving.bar(list(reached[rung].values()), objective, stopping.eta)
            reached[rung][key] = values[key]
            if not halving.passes(values[key], bar, objective):
                end = paused[key] = rung
                break
        epochs += end - start
    winner = min(values, key=lambda key: objective.rank_key(values[key]))
    return epochs, max_epochs - paused.get(winner, max_epochs)
