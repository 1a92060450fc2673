"""The laptop engine: brings a spec's search to its end in a store, with trials as child processes, and goes on where it was left."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from atelier_store import machine
from atelier_store.curve import read_curve
from atelier_store.layout import ExperimentPaths, Store, TrialPaths
from atelier_store.lease import Lease
from atelier_store.ranking import best_parent, trial_records
from atelier_store.records import Card, DataDescription
from atelier_store.spec import Spec
from atelier_trial import data, identity
from atelier_trial.request import Request, configuration, record
from atelier_trial.target import Target

from atelier_cli.profile import rules
from atelier_cli.profile.load import InvalidProfile
from atelier_cli.search.children import Children, Ended, arguments_of, warm_up
from atelier_cli.search.schedule import Job, Result, Schedule

MEMORY_PER_TRIAL = 1.5 * 2**30
"""Bytes that a trial with torch may take beside its share of the data; decides how many `auto` is."""

FAILURES_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
"""They end the search: whatever it trained next would be lost."""

TRIES = 3
"""How often a trial whose process was killed is started in one search."""


class Interrupted(Exception):
    """The search was asked to stop and did; running it again goes on."""


class Watcher(Protocol):
    """Is told what happens, from one thread."""

    def started(self, name: str, epochs_before: int) -> None:
        """A trial's process runs, and goes on after that many epochs; those it tells again."""

    def epoch(self, name: str, epoch: int, value: float) -> None:
        """A running trial's objective after an epoch."""

    def ended(self, name: str, result: Result, trained: int, reason: str | None) -> None:
        """A trial's run ended, or was answered from the store with trained = 0 epochs."""


@dataclass
class Totals:
    """What a search has come to so far. reused counts trials that the store answered; gave_up: too many failed."""

    trials: int = 0
    reused: int = 0
    failed: int = 0
    epochs_trained: int = 0
    seconds: float = 0.0
    gave_up: bool = False


@dataclass(frozen=True)
class Assignment:
    """What a trial's process is to do, or the store to answer; job is None for the winner's tail."""

    name: str
    request: Request
    target: Target
    paths: TrialPaths
    job: Job | None


@dataclass
class _Running:
    """A process under way. epochs_before were trained by earlier runs, told are those that it has printed."""

    assignment: Assignment
    epochs_before: int
    tries: int
    told: int = 0


class Engine:
    """One search. `search` may be called once; it raises InvalidProfile, lease.LeaseHeld, data.DataError, Interrupted or OSError."""

    def __init__(
        self, spec: Spec, store: Store, watcher: Watcher, totals: Totals, data_dir: Path | None = None
    ) -> None:
        self.spec = spec
        self.store = store
        self.watcher = watcher
        self.data_dir = data_dir
        self.experiment: ExperimentPaths = store.experiment(spec.experiment_name)
        self.parallel = parallel_trials(spec)
        self.totals = totals
        self._children = Children()
        self._running: dict[str, _Running] = {}
        self._waiting: list[Assignment] = []
        self._stop = threading.Event()

    def prepare(self) -> DataDescription:
        """The data, prepared in the store; what only its kind can tell about the spec is checked."""
        trainer = self.spec.trainer
        if not self.experiment.spec.exists():
            warm_up()  # a new search needs it, and it is ready by the time the data are
        with self._signals(self._interrupt):
            description = data.prepare(trainer.data, self.store, Path.cwd(), self.data_dir, trainer.seed)
        if self._stop.is_set():
            raise KeyboardInterrupt  # the first one was lost: Python ignores what is raised while it tidies up after an import
        violations = [str(finding) for finding in rules.check_builders(self.spec, description.kind)]
        if violations:
            raise InvalidProfile(violations)
        return description

    def search(self, description: DataDescription) -> None:
        """Search, then train the winner's tail if the spec asks for one."""
        started = time.monotonic()
        with (
            Lease.acquire(self.experiment.lease, f"search {self.spec.experiment_name}"),
            self._signals(lambda *_: self._stop.set()),
        ):
            self.spec.write(self.experiment.spec)
            try:
                self._search(description)
                if not self.totals.gave_up:
                    self._tail(description)
            finally:
                self._children.stop()
        self.totals.seconds = time.monotonic() - started

    def _search(self, description: DataDescription) -> None:
        made = {record.number: record.params for record in trial_records(self.experiment) if record.number is not None}
        self._schedule = schedule = Schedule(
            self.spec, lambda params: identity.trial_config(self.spec, description, params).key, self.parallel, made
        )
        while not schedule.is_done or self._waiting or self._running:
            while schedule.ready and not schedule.is_done:
                self._end_if_asked()
                job = schedule.decide()
                if job is not None:
                    self.totals.trials += job.resumed_at == 0
                    self._do(self._assigned(job, description))
            self._start_what_may()
            if self._running:
                self._handle_event()
        self.totals.gave_up = schedule.gave_up

    def _do(self, assignment: Assignment) -> None:
        """Answer it from the store, or have it wait for a process."""
        if not self._answered(assignment):
            self._waiting.append(assignment)

    def _start_what_may(self) -> None:
        """Start what waits, in its order, as far as there is room; a key that is at work already may soon be the answer."""
        for assignment in list(self._waiting):
            if len(self._running) == self.parallel:
                return
            if all(run.assignment.target.key != assignment.target.key for run in self._running.values()):
                self._waiting.remove(assignment)
                if not self._answered(assignment):
                    self._start(assignment)

    def _assigned(self, job: Job, description: DataDescription) -> Assignment:
        suggestion = job.suggestion
        request = Request(
            spec=self.spec,
            store=self.store,
            trial=job.trial,
            params=suggestion.params,
            number=suggestion.number,
            bars=job.bars,
            threads=max(1, machine.cores() // self.parallel),
            data_dir=self.data_dir,
        )
        return self._assignment(request, description, job)

    def _assignment(self, request: Request, description: DataDescription, job: Job | None) -> Assignment:
        config = configuration(request, description)
        target = Target.of(request, self.experiment, config)
        record(self.experiment, request, config.key)
        return Assignment(request.trial, request, target, self.store.trial(config.key), job)

    def _answered(self, assignment: Assignment) -> bool:
        """Whether the store has the answer already; it is then reported."""
        card = assignment.target.finished(assignment.paths)
        if card is None:
            return False
        self.totals.reused += assignment.job is not None and assignment.job.resumed_at == 0
        self._end(assignment, card, trained=0)
        return True

    def _start(self, assignment: Assignment, tries: int = 1) -> None:
        name = assignment.name
        before = len(read_curve(assignment.paths.metrics))
        self._children.start(
            name, arguments_of(assignment.request, self.experiment.spec), self.experiment.messages(name)
        )
        self._running[name] = _Running(assignment, before, tries)
        self.watcher.started(name, before)

    def _handle_event(self) -> None:
        """Wait for something to happen, and take it in."""
        event = self._children.event(timeout=0.5)
        self._end_if_asked()  # before it: a trial that ended because it was asked to has no result
        if isinstance(event, Ended):
            self._exited(self._running.pop(event.name), event.code)
        elif event is not None:
            self._printed(self._running[event.name], event.line)

    def _end_if_asked(self) -> None:
        if self._stop.is_set():
            raise Interrupted

    def _printed(self, run: _Running, line: str) -> None:
        metric, _, value = line.partition(" ")[2].strip().partition("=")
        if metric == self.spec.experiment.objective.objective_metric_name:
            run.told += 1
            self.watcher.epoch(run.assignment.name, run.told, float(value))

    def _exited(self, run: _Running, code: int) -> None:
        assignment = run.assignment
        trained = max(0, len(read_curve(assignment.paths.metrics)) - run.epochs_before)
        self.totals.epochs_trained += trained
        card = assignment.target.finished(assignment.paths)
        if card is not None:
            self._end(assignment, card, trained)
        elif code <= 0 and run.tries < TRIES:
            self._start(assignment, run.tries + 1)
        else:
            reason = self._reason(run, code)
            self._end_if_of_the_disk(assignment, reason)
            self._report(assignment, Result("failed"), trained, reason)

    def _end_if_of_the_disk(self, assignment: Assignment, reason: str) -> None:
        """OSError if a trial failed by what would fail every other as well; it is no fault of this one."""
        for number in FAILURES_OF_THE_DISK:
            if os.strerror(number) in reason:
                raise OSError(number, f"{reason} ({assignment.name})", str(self.store.root))

    def _reason(self, run: _Running, code: int) -> str:
        """Why a trial failed: by its card, or by the last thing that its process said."""
        if code < 0:
            return f"its process was killed by signal {-code}, {run.tries} times"
        card = Card.read_if_whole(run.assignment.paths.card)
        if card is not None and card.status == "failed" and card.reason is not None:
            return card.reason
        said = self.experiment.messages(run.assignment.name).read_text(errors="replace").strip().splitlines()
        return said[-1] if said else f"exit code {code}"

    def _end(self, assignment: Assignment, card: Card, trained: int) -> None:
        self._report(assignment, self._result(assignment.target, card), trained, card.reason)

    def _report(self, assignment: Assignment, result: Result, trained: int, reason: str | None) -> None:
        self.totals.failed += result.outcome == "failed"
        if assignment.job is not None:
            self._schedule.report(assignment.job, result)
        self.watcher.ended(assignment.name, result, trained, reason)

    def _result(self, target: Target, card: Card) -> Result:
        if card.status == "over_budget":
            return Result("over_budget")
        if card.status == "failed":
            return Result("failed")
        metric = self.spec.experiment.objective.objective_metric_name
        values = [epoch.metrics[metric] for epoch in read_curve(self.store.trial(card.key).metrics)]
        end = target.end(values)
        assert end is not None  # Target.finished said so
        return Result(end[1], tuple(values[: end[0]]))

    def _tail(self, description: DataDescription) -> None:
        parent = best_parent(self.store, self.spec) if self.spec.trainer.tail_epochs else None
        if parent is None:
            return
        request = Request(
            spec=self.spec,
            store=self.store,
            trial=f"tail-{parent}",
            params={},
            tail_of=parent,
            threads=machine.cores(),
            data_dir=self.data_dir,
        )
        self._do(self._assignment(request, description, job=None))
        self._start_what_may()
        while self._running:
            self._handle_event()

    def _interrupt(self, *_: object) -> None:
        self._stop.set()
        raise KeyboardInterrupt

    @contextmanager
    def _signals(self, handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
        """While this lasts, Ctrl-C and SIGTERM are handled so."""
        before: dict[signal.Signals, Any] = {
            number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def parallel_trials(spec: Spec) -> int:
    """parallelTrialCount, or for auto what fits the cores and the free memory, but not more than there are trials."""
    asked = spec.experiment.parallel_trial_count
    if asked != "auto":
        return asked
    fits = min(machine.cores(), int(machine.available_memory() // MEMORY_PER_TRIAL), spec.experiment.max_trial_count)
    return max(1, fits)
