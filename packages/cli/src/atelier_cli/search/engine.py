"""The laptop engine: runs a search in a store, with trials as child processes, and resumes one that was stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from atelier_searcher.decision import Networks
from atelier_searcher.latency import Measured
from atelier_store import machine, objectives
from atelier_store.curve import read_curve
from atelier_store.layout import ExperimentPaths, Store, TrialPaths
from atelier_store.lease import Lease
from atelier_store.ranking import best_parent, trial_records
from atelier_store.records import Card, DataDescription, TrialRecord
from atelier_store.spec import Spec
from atelier_store.trial_rows import bundle_row
from atelier_trial import data, fitness, identity
from atelier_trial.request import (
    Request,
    averages,
    configuration,
    in_int8,
    mirrored,
    record,
    retrainings,
    unfinished_winners,
)
from atelier_trial.target import Target

from atelier_cli.profile import InvalidProfile, rules
from atelier_cli.search import experience, failing, shortlisting, stop_requests
from atelier_cli.search.appraising import Appraisers
from atelier_cli.search.children import STOP_TIMEOUT, Children, Exited, UnderWay, start_fork_server
from atelier_cli.search.command_line import command_line
from atelier_cli.search.schedule import Job, Result, Schedule
from atelier_cli.search.stop_requests import StopRequests

MEMORY_PER_TRIAL = 1.5 * 2**30
"""Bytes that a trial with torch may take beside its share of the data; decides how many `auto` is."""

TRIES = 3
"""How often a trial whose process was killed is started in one search."""


class Watcher(Protocol):
    """Called when something happens, always from one thread."""

    def started(self, name: str, epochs_before: int) -> None:
        """A trial's process runs. It has trained epochs_before epochs before, and reports them again."""

    def epoch(self, name: str, epoch: int, value: float) -> None:
        """A running trial's objective after an epoch."""

    def under_way(self, name: str, text: str) -> None:
        """How far a running trial's epoch is, in words, every minute of one that takes longer."""

    def ended(self, name: str, result: Result, trained: int, reason: str | None) -> None:
        """A trial's run ended; trained is 0 if its result was in the store."""

    def note(self, text: str) -> None:
        """Something that a person should know."""


@dataclass
class Totals:
    """A search so far.

    reused are trials whose result was in the store, uncounted those that do not count in maxTrialCount; gave_up: too
    many trials failed.
    """

    trials: int = 0
    reused: int = 0
    uncounted: int = 0
    failed: set[str] = field(default_factory=set)
    epochs_trained: int = 0
    seconds: float = 0.0
    gave_up: bool = False


@dataclass(frozen=True)
class Assignment:
    """A trial to run, unless its result is in the store; job is None for what comes after the last trial."""

    name: str
    request: Request
    target: Target
    paths: TrialPaths
    job: Job | None

    @property
    def is_new(self) -> bool:
        """Whether this is the first run of a suggested trial."""
        return self.job is not None and self.job.resumed_at == 0


@dataclass
class _Running:
    """A running process. epochs_before were trained by earlier runs; printed counts the epochs that it has reported."""

    assignment: Assignment
    epochs_before: int
    tries: int
    printed: int = 0


class Engine:
    """One search: `prepare`, then `search`, once.

    They raise InvalidProfile, DataError, LeaseHeld, OSError, or KeyboardInterrupt after SIGINT or SIGTERM.
    """

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
        self._found: set[str] = set()
        self._running: dict[str, _Running] = {}
        self._queued: list[Assignment] = []
        self._stops = StopRequests()

    def prepare(self, progress: Callable[[str], object] = lambda _: None) -> data.Prepared:
        """Prepare the data in the store, and check the search space against the kind that they turn out to be.

        progress is told each step that may take long.
        """
        trainer = self.spec.trainer
        if not self.experiment.spec.exists():
            start_fork_server()  # a new search needs it, and it imports torch while the data are prepared
        with self._stops.interrupting():
            description = data.prepare(trainer.data, self.store, Path.cwd(), self.data_dir, trainer.seed, progress)
        violations = fitness.violations(trainer, description)
        violations += [str(finding) for finding in rules.check_builders(self.spec, description.kind)]
        if violations:
            raise InvalidProfile(violations)
        return description

    def search(self, description: DataDescription) -> None:
        """Search, train the best trial to its end, then try its tail, an average, it mirrored, retrained, and in int8.

        Each of these only if the spec says so.
        """
        started = time.monotonic()
        with (
            Lease.acquire(self.experiment.lease, f"search {self.spec.experiment_name}"),
            self._stops.counted(),
        ):
            self.spec.write(self.experiment.spec)
            try:
                self._search(description)
                if not self.totals.gave_up:
                    self._finish_winner(description)
                    self._tail(description)
                    self._average(description)
                    self._mirror(description)
                    self._retrain(description)
                    self._in_int8(description)
            except KeyboardInterrupt:
                running = self._assignments()
                killed = self._stop_trials()
                anew = [run.name for run in running if not run.paths.checkpoint.exists()]
                raise KeyboardInterrupt(stop_requests.in_words([run.name for run in running], killed, anew)) from None
            finally:
                running = self._assignments()
                self._stop_trials()
                self._report_failed(running)
        self.totals.seconds = time.monotonic() - started

    def _assignments(self) -> list[Assignment]:
        """What runs now."""
        return [run.assignment for run in self._running.values()]

    def _report_failed(self, stopped: Sequence[Assignment]) -> None:
        """Report the trials that failed while they were being stopped."""
        for assignment in stopped:
            card = Card.read_if_whole(assignment.paths.card)
            if card is not None and card.status == "failed":
                self._report(assignment, Result("failed"), 0, card.reason)

    def _stop_trials(self) -> list[str]:
        """End the trials that run; the names of those that wrote no checkpoint because they had to be killed."""
        if self._running:
            names = ", ".join(self._running)
            again = "Ctrl-C again" if self._stops.count else "Ctrl-C"
            wait = f"waiting for the batch under way of {names}, {STOP_TIMEOUT:.0f} s at most"
            self.watcher.note(f"Stopping: {wait}; {again} ends it now")
            self._running.clear()
        patient = 1 if self._stops.count else 0
        return self._children.stop(at_once=lambda: self._stops.count > patient)

    def _search(self, description: DataDescription) -> None:
        records = [record for record in trial_records(self.experiment) if record.number is not None]
        self._say_if_trained_as_another(records, description)
        made = {record.number: record.params for record in records if record.number is not None}
        self._found = {record.trial for record in records if record.found}
        with Appraisers(self.spec, self.store, description, self.experiment.messages("appraisal")) as appraisers:
            networks = Networks(
                key=lambda params: identity.trial_config(self.spec, description, params).key,
                refusal=appraisers.refusal,
                operations=appraisers.operations,
            )
            known = experience.ensure(self.spec, self.store, description, self.watcher.note)
            shortlist = shortlisting.ensure(self.spec, self.store, description, self._scoring_goes_on)
            self._schedule = schedule = Schedule(self.spec, networks, self.parallel, made, shortlist, known)
            while not schedule.gave_up and (not schedule.is_done or self._queued or self._running):
                while schedule.ready and not schedule.is_done:
                    self._stops.raise_if_any()
                    job = schedule.decide()
                    if job is not None:
                        self._take(self._assignment_of(job, description), is_new=job.suggestion.number not in made)
                self._start_queued()
                if self._running:
                    self._handle_event()
        self.totals.gave_up = schedule.gave_up
        if schedule.exhausted is not None:
            self.watcher.note(f"The search ends: {schedule.exhausted}.")

    def _scoring_goes_on(self, text: str | None) -> None:
        """Say how far the scoring of untrained networks is; KeyboardInterrupt if the search is to stop."""
        self._stops.raise_if_any()
        if text is not None:
            self.watcher.note(text)

    def _say_if_trained_as_another(self, records: Sequence[TrialRecord], description: DataDescription) -> None:
        """Say that trials of an earlier run are other networks by now, which would look like a search that forgot."""
        for earlier in records:
            key = earlier.key and identity.trial_config(self.spec, description, earlier.params).key
            if key != earlier.key:
                why = "the network's code has changed, or this release counts more of it"
                self.watcher.note(f"{earlier.trial} was {earlier.key} and is {key} now: {why}. Such trials train anew.")
                return

    def _take(self, assignment: Assignment, is_new: bool = False) -> None:
        """Record an assignment, and report its result if the store has it; is_new: it was never suggested before."""
        card = assignment.target.finished(assignment.paths)
        if card is not None and is_new:
            self._found.add(assignment.name)
        job = assignment.job
        record(
            self.experiment,
            assignment.request,
            assignment.target.key,
            found=assignment.name in self._found,
            reason=job.suggestion.reason if job is not None else None,
            rungs={job.resumed_at: job.why} if job is not None and job.why is not None else None,
        )
        if card is None:
            self._queued.append(assignment)
        else:
            self._report_stored(assignment, card)

    def _start_queued(self) -> None:
        """Start queued assignments in their order, up to the number that may run at a time.

        One whose key is running stays in the queue: its result may be in the store soon.
        """
        for assignment in list(self._queued):
            if len(self._running) == self.parallel:
                return
            if all(run.assignment.target.key != assignment.target.key for run in self._running.values()):
                self._queued.remove(assignment)
                card = assignment.target.finished(assignment.paths)
                if card is None:
                    self._start(assignment)
                else:
                    self._report_stored(assignment, card)

    def _assignment_of(self, job: Job, description: DataDescription) -> Assignment:
        request = self._request(job.trial, job.suggestion.params, job.suggestion.number, job.bars)
        return self._assignment(request, description, job)

    def _request(
        self, trial: str, params: dict[str, str], number: int | None, bars: dict[int, float | None]
    ) -> Request:
        return Request(
            spec=self.spec,
            store=self.store,
            trial=trial,
            params=params,
            number=number,
            bars=bars,
            threads=max(1, machine.cores() // self.parallel),
            data_dir=self.data_dir,
        )

    def _assignment(self, request: Request, description: DataDescription, job: Job | None) -> Assignment:
        config = configuration(request, description)
        target = Target.of(request, self.experiment, config)
        return Assignment(request.trial, request, target, self.store.trial(config.key), job)

    def _report_stored(self, assignment: Assignment, card: Card) -> None:
        """Report a result that is in the store."""
        self.totals.reused += assignment.is_new
        self.totals.trials += assignment.is_new
        result = replace(self._result(assignment.target, card), found=assignment.name in self._found)
        self._report(assignment, result, 0, card.reason)

    def _start(self, assignment: Assignment, tries: int = 1) -> None:
        name = assignment.name
        before = len(read_curve(assignment.paths.metrics))
        arguments = command_line(assignment.request, self.experiment.spec)
        self._children.start(name, arguments, self.experiment.messages(name))
        self._running[name] = _Running(assignment, before, tries)
        self.totals.trials += assignment.is_new and tries == 1
        self.watcher.started(name, before)

    def _handle_event(self) -> None:
        """Wait for an event of a child, half a second at most, and handle it."""
        event = self._children.event(timeout=0.5)
        self._stops.raise_if_any()  # first: a trial that was stopped with the search has no result
        if isinstance(event, Exited):
            self._handle_exit(self._running.pop(event.name), event.code)
        elif isinstance(event, UnderWay):
            self.watcher.under_way(event.name, event.text)
        elif event is not None:
            self._handle_line(self._running[event.name], event.line)

    def _handle_line(self, run: _Running, line: str) -> None:
        metric, _, value = line.partition(" ")[2].strip().partition("=")
        if metric == self.spec.experiment.objective.objective_metric_name and run.assignment.target.is_measured:
            run.printed += 1
            if run.assignment.job is not None:
                self._schedule.progress(run.assignment.job, run.printed)
            self.watcher.epoch(run.assignment.name, run.printed, float(value))

    def _handle_exit(self, run: _Running, code: int) -> None:
        """Report the trial's result, start it again if its process was killed, or report that it failed."""
        assignment = run.assignment
        trained = max(0, len(read_curve(assignment.paths.metrics)) - run.epochs_before)
        self.totals.epochs_trained += trained
        card = assignment.target.finished(assignment.paths)
        if card is not None:
            self._report(assignment, self._result(assignment.target, card), trained, card.reason)
        elif failing.was_ended(code) and run.tries < TRIES:
            self._start(assignment, run.tries + 1)
        else:
            messages = self.experiment.messages(assignment.name)
            reason = failing.reason(code, run.tries, assignment.paths.card, messages)
            failing.raise_if_of_the_disk(assignment.name, reason, self.store)
            self._report(assignment, Result("failed"), trained, reason)

    def _report(self, assignment: Assignment, result: Result, trained: int, reason: str | None) -> None:
        if result.outcome == "failed":
            self.totals.failed.add(assignment.name)
        self.totals.uncounted += assignment.is_new and (result.found or result.outcome == "over_budget")
        if assignment.job is not None:
            self._schedule.report(assignment.job, result)
        self.watcher.ended(assignment.name, result, trained, reason)

    def _result(self, target: Target, card: Card) -> Result:
        if card.status == "over_budget":
            return Result("over_budget", measured=_measured(card))
        if card.status == "failed":
            return Result("failed")
        if not target.is_measured:
            return Result("succeeded")
        metric = self.spec.experiment.objective.objective_metric_name
        paths = self.store.trial(card.key)
        curve = read_curve(paths.metrics)
        if not target.is_trained:
            return Result("succeeded", (card.metrics[metric],))
        end = target.end(target.values(curve))
        assert end is not None  # a finished trial has an end
        kept = target.kept(curve)[: end[0]]
        others = objectives.others(self.spec.experiment, bundle_row(paths), kept[-1].metrics)
        values = tuple(epoch.metrics[metric] for epoch in kept)
        return Result(end[1], values, others=others, measured=_measured(card))

    def _finish_winner(self, description: DataDescription) -> None:
        """Train the best trial to its end, if halving paused it; again, should another be the best then."""
        for request in unfinished_winners(self._request("", {}, None, bars={})):
            self._train(self._assignment(request, description, job=None))

    def _tail(self, description: DataDescription) -> None:
        """Train the tail of the best trial, if the spec asks for one."""
        parent = best_parent(self.store, self.spec) if self.spec.trainer.tail_epochs else None
        if parent is None:
            return
        request = replace(self._alone(), trial=f"tail-{parent}", tail_of=parent)
        self._train(self._assignment(request, description, job=None))

    def _average(self, description: DataDescription) -> None:
        """Try the average of the best trials, if the spec asks for one; of fewer while it is measured over budget."""
        for request in averages(self._alone()):
            self._train(self._assignment(request, description, job=None))

    def _mirror(self, description: DataDescription) -> None:
        """Mirror what would be promoted, if the spec asks for it."""
        request = mirrored(self._alone())
        if request is not None:
            self._train(self._assignment(request, description, job=None))

    def _retrain(self, description: DataDescription) -> None:
        """Retrain the winner on training and validation rows, if the spec asks for it."""
        for request in retrainings(self._alone()):
            assignment = self._assignment(request, description, job=None)
            self._train(assignment)
            card = assignment.target.finished(assignment.paths)
            if card is None or card.status != "succeeded":
                return

    def _in_int8(self, description: DataDescription) -> None:
        """Bring the winner to int8, if the spec asks for it."""
        request = in_int8(self._alone())
        if request is not None:
            self._train(self._assignment(request, description, job=None))

    def _alone(self) -> Request:
        """A request that nothing runs beside; it still says of no trial which one."""
        return Request(self.spec, self.store, "", {}, threads=machine.cores(), data_dir=self.data_dir)

    def _train(self, assignment: Assignment) -> None:
        """Run one assignment to its end, unless its result is in the store."""
        self._take(assignment)
        self._start_queued()
        while self._running:
            self._handle_event()


def _measured(card: Card) -> Measured | None:
    """The latency of a trial's network, where its search asks for it."""
    if card.operations is None or card.latency is None or card.environment is None:
        return None
    machine = f"{card.environment.cpu}, ONNX Runtime {card.environment.onnxruntime}"
    return Measured(tuple(sorted(card.operations.items())), card.latency.p50_ms, machine)


def parallel_trials(spec: Spec) -> int:
    """parallelTrialCount; for auto, as many trials as the cores and the free memory allow."""
    count = spec.experiment.parallel_trial_count
    if count != "auto":
        return count
    fits = min(machine.cores(), int(machine.available_memory() // MEMORY_PER_TRIAL), spec.experiment.max_trial_count)
    return max(1, fits)
