"""The next job: resume the best paused trial, or suggest a new one (asynchronous successive halving, Li et al. 2020).

Pure: no clock, no file, no process. Jobs are numbered, and the decision for job j sees exactly the results of the jobs
up to j - lag, in whatever order they ended. So the same profile, seed and results give the same decisions, and a search
is replayed from its store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from atelier_store import halving
from atelier_store.spec import Spec

from atelier_cli.search.suggestion import Suggester, Suggestion


@dataclass(frozen=True)
class Job:
    """One run of a trial. bars are the values to reach at each rung to go on; resumed_at is its last rung, 0 if new."""

    number: int
    suggestion: Suggestion
    key: str
    bars: dict[int, float | None]
    resumed_at: int = 0

    @property
    def trial(self) -> str:
        """The trial's name."""
        return trial_name(self.suggestion.number)


@dataclass(frozen=True)
class Result:
    """How a job ended; values are the objective after each epoch."""

    outcome: halving.Outcome | Literal["over_budget", "failed"]
    values: tuple[float, ...] = ()


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
        key_of: Callable[[dict[str, str]], str],
        parallel: int,
        made: Mapping[int, dict[str, str]] | None = None,
    ) -> None:
        self._spec = spec
        self._objective = spec.experiment.objective
        self._key_of = key_of
        self._lag = 1 if parallel == 1 else 2 * parallel
        self._rungs = halving.rungs(spec.experiment.early_stopping, spec.trainer.max_epochs)
        self._eta = spec.experiment.early_stopping.eta
        self._suggester = Suggester(spec, made)
        self._jobs: list[Job | None] = []
        self._results: dict[int, Result] = {}
        self._applied = 0
        self._suggested = 0
        self._is_exhausted = False
        self._curves: dict[str, tuple[float, ...]] = {}
        self._paused: dict[str, int] = {}
        self._failed: set[int] = set()
        self.is_done = False

    def report(self, job: Job, result: Result) -> None:
        """Record how a job ended. A failure counts at once, not when a decision gets to see it: no more should fail."""
        self._results[job.number] = result
        if result.outcome == "failed":
            self._failed.add(job.suggestion.number)

    @property
    def ready(self) -> bool:
        """Whether every result that the next decision has to see is there."""
        seen = len(self._jobs) - self._lag + 1
        return not self.is_done and all(
            self._jobs[n] is None or n in self._results for n in range(self._applied, max(seen, 0))
        )

    def decide(self) -> Job | None:
        """The next job; None if there is none now. `is_done` is true once there will be no other."""
        number = len(self._jobs)
        self._apply_results(max(number - self._lag + 1, 0))
        job = None if self._has_ended() else self._resume(number) or self._suggest(number)
        self._jobs.append(job)
        outstanding = [j for j in self._jobs[self._applied :] if j is not None]
        self.is_done = job is None and (not outstanding or self._has_ended())
        return job

    def _apply_results(self, count: int) -> None:
        """Apply the results of the first count jobs, in their order."""
        for number in range(self._applied, count):
            job = self._jobs[number]
            if job is not None:
                self._apply(job, self._results[number])
        self._applied = max(self._applied, count)

    def _apply(self, job: Job, result: Result) -> None:
        if result.outcome == "failed":
            self._suggester.tell_failed(job.suggestion.number)
            return
        self._suggester.tell(job.suggestion.number, result.values, result.outcome == "succeeded")
        if result.values and len(result.values) >= len(self._curves.get(job.key, ())):
            self._curves[job.key] = result.values
            if result.outcome == "paused":
                self._paused[job.key] = len(result.values)
            else:
                self._paused.pop(job.key, None)

    def _has_ended(self) -> bool:
        """Whether the goal is reached, or too many trials failed."""
        reached = any(self._objective.reaches(curve[-1]) for curve in self._curves.values())
        return reached or self.gave_up

    @property
    def gave_up(self) -> bool:
        """Whether too many trials failed. Katib's rule: maxFailedTrialCount of them end a search, or 1 if it is 0."""
        return len(self._failed) >= max(1, self._spec.experiment.max_failed_trial_count)

    def _resume(self, number: int) -> Job | None:
        """The paused trial that goes on by halving's rule, of those that no job has resumed at their rung."""
        resumed = {(job.key, job.resumed_at) for job in self._jobs if job is not None}
        paused = {key: rung for key, rung in self._paused.items() if (key, rung) not in resumed}
        values = {rung: self._values_at(rung) for rung in self._rungs}
        key = halving.to_resume(values, paused, self._objective, self._eta)
        if key is None:
            return None
        first = next(job for job in self._jobs if job is not None and job.key == key)
        return Job(number, first.suggestion, key, self._bars(key, above=paused[key]), resumed_at=paused[key])

    def _suggest(self, number: int) -> Job | None:
        if self._is_exhausted or self._suggested >= self._spec.experiment.max_trial_count:
            return None
        suggestion = self._suggester.ask()
        if suggestion is None:
            self._is_exhausted = True
            return None
        self._suggested += 1
        key = self._key_of(suggestion.params)
        return Job(number, suggestion, key, self._bars(key, above=0))

    def _values_at(self, rung: int) -> dict[str, float]:
        return {key: curve[rung - 1] for key, curve in self._curves.items() if len(curve) >= rung}

    def _bars(self, key: str, above: int) -> dict[int, float | None]:
        return {
            rung: halving.bar(self._others_at(rung, key), self._objective, self._eta)
            for rung in self._rungs
            if rung > above
        }

    def _others_at(self, rung: int, key: str) -> list[float]:
        return [value for other, value in self._values_at(rung).items() if other != key]


def expected_epochs(spec: Spec) -> int:
    """Epochs that a search of this many trials trains if a third goes on at every rung."""
    left, before, total = spec.experiment.max_trial_count, 0, 0
    eta = spec.experiment.early_stopping.eta
    for rung in [*halving.rungs(spec.experiment.early_stopping, spec.trainer.max_epochs), spec.trainer.max_epochs]:
        total += left * (rung - before)
        left, before = left // eta, rung
    return total
