"""The laptop engine: brings a spec's search to its end in a store, with trials as child processes, and goes on where it was left."""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from atelier_store import machine
from atelier_store.curve import read_curve
from atelier_store.layout import ExperimentPaths, Store
from atelier_store.lease import Lease
from atelier_store.ranking import rank
from atelier_store.records import Card, DataDescription, TrialConfig
from atelier_store.spec import Spec
from atelier_trainer import data, identity
from atelier_trainer.trial import Request, Target, configuration, record

from atelier_cli.children import Child
from atelier_cli.profile import InvalidProfile, check_space
from atelier_cli.schedule import Job, Result, Schedule

MEMORY_PER_TRIAL = 1.5 * 2**30
"""Bytes that a trial with torch may take beside its share of the data; decides how many `auto` is."""

TRIES = 3
"""How often a trial whose process was killed is started in one search."""

STOP_WITHIN = 30.0
"""Seconds that trials get to write their checkpoints."""


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

    def decided(self, is_new: bool) -> None:
        """A trial was suggested (is_new), or one that had paused goes on."""


@dataclass
class Totals:
    """What a search has come to so far. reused counts trials that the store answered."""

    trials: int = 0
    reused: int = 0
    failed: int = 0
    epochs_trained: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class _Run:
    """A process that is under way for a job or a tail."""

    name: str
    request: Request
    target: Target
    job: Job | None
    child: Child
    epochs_before: int
    tries: int
    errors: Path


class Engine:
    """One search. `search` may be called once; it raises InvalidProfile, lease.LeaseHeld, data.DataError, Interrupted or OSError."""

    def __init__(self, spec: Spec, store: Store, watcher: Watcher, totals: Totals, data_dir: Path | None = None) -> None:
        self.spec = spec
        self.store = store
        self.watcher = watcher
        self.data_dir = data_dir
        self.experiment: ExperimentPaths = store.experiment(spec.experiment_name)
        self.parallel = parallel_trials(spec)
        self.totals = totals
        self._events: queue.Queue[tuple[str, str, Any]] = queue.Queue()
        self._running: dict[str, _Run] = {}
        self._lines: dict[str, int] = {}
        self._stop = threading.Event()

    def prepare(self) -> DataDescription:
        """The data, prepared in the store; what only its kind can tell about the spec is checked."""
        trainer = self.spec.trainer
        description = data.prepare(trainer.data, self.store, Path.cwd(), self.data_dir, trainer.seed)
        violations = check_space(self.spec, description.kind)
        if violations:
            raise InvalidProfile(violations)
        return description

    def search(self, description: DataDescription) -> None:
        """Search, then train the winner's tail if the spec asks for one."""
        started = time.monotonic()
        what = f"search {self.spec.experiment_name}"
        with Lease.acquire(self.experiment.lease, what), self._signals():
            self.spec.write(self.experiment.spec)
            try:
                self._search(description)
                self._tail(description)
            finally:
                self._stop_children()
        self.totals.seconds = time.monotonic() - started

    def _search(self, description: DataDescription) -> None:
        self._schedule = schedule = Schedule(
            self.spec, lambda params: identity.trial_config(self.spec, description, params).key, self.parallel
        )
        share = max(1, machine.cores() // self.parallel)
        waiting: list[Job] = []
        while not schedule.is_done or waiting or self._running:
            while schedule.ready and not schedule.is_done:
                job = schedule.decide()
                if job is not None:
                    self.watcher.decided(is_new=job.resumed_at == 0)
                    self.totals.trials += job.resumed_at == 0
                    if not self._answered(job, description, share):
                        waiting.append(job)
            while waiting and len(self._running) < self.parallel:
                job = waiting.pop(0)
                if not self._answered(job, description, share):
                    self._start(job.trial, self._request(job, share), description, job)
            if self._running:
                self._handle_events()

    def _request(self, job: Job, threads: int) -> Request:
        suggestion = job.suggestion
        return Request(
            spec=self.spec,
            store=self.store,
            trial=job.trial,
            params=suggestion.params,
            number=suggestion.number,
            bars=job.bars,
            threads=threads,
            data_dir=self.data_dir,
        )

    def _answered(self, job: Job, description: DataDescription, threads: int) -> bool:
        """Whether the store has the answer already; it is then reported."""
        request = self._request(job, threads)
        config = configuration(request, description)
        target = Target.of(request, self.experiment, config)
        card = target.finished(self.store.trial(config.key))
        if card is None:
            return False
        record(self.experiment, request, config.key)
        self.totals.reused += job.resumed_at == 0
        self._end(job.trial, job, target, card, trained=0, reason=card.reason)
        return True

    def _start(self, name: str, request: Request, description: DataDescription, job: Job | None, tries: int = 1) -> None:
        config = configuration(request, description)
        before = len(read_curve(self.store.trial(config.key).metrics))
        errors = self.experiment.messages(name)
        child = Child(
            arguments_of(request, self.experiment.spec),
            errors,
            on_line=lambda line: self._events.put(("line", name, line)),
            on_exit=lambda code: self._events.put(("exit", name, code)),
        )
        target = Target.of(request, self.experiment, config)
        self._running[name] = _Run(name, request, target, job, child, before, tries, errors)
        self._lines[name] = 0
        self.watcher.started(name, before)
        self._description = description

    def _handle_events(self) -> None:
        """Wait for something to happen, and take it in."""
        if self._stop.is_set():
            raise Interrupted
        try:
            kind, name, what = self._events.get(timeout=0.5)
        except queue.Empty:
            return
        run = self._running[name]
        if kind == "line":
            self._line(run, what)
        else:
            del self._running[name]
            self._exited(run, what)

    def _line(self, run: _Run, line: str) -> None:
        metric, _, value = line.partition(" ")[2].strip().partition("=")
        if metric == self.spec.experiment.objective.objective_metric_name:
            self._lines[run.name] += 1
            self.watcher.epoch(run.name, self._lines[run.name], float(value))

    def _exited(self, run: _Run, code: int) -> None:
        if self._stop.is_set():
            return
        paths = self.store.trial(run.target.key)
        trained = max(0, len(read_curve(paths.metrics)) - run.epochs_before)
        self.totals.epochs_trained += trained
        card = run.target.finished(paths)
        if card is not None:
            self._end(run.name, run.job, run.target, card, trained, card.reason)
        elif code <= 0 and run.tries < TRIES:
            self._start(run.name, run.request, self._description, run.job, run.tries + 1)
        else:
            self._fail(run, code, trained)

    def _fail(self, run: _Run, code: int, trained: int) -> None:
        card = Card.read_if_whole(self.store.trial(run.target.key).card)
        said = run.errors.read_text(errors="replace").strip().splitlines()
        reason = card.reason if card and card.status == "failed" and card.reason else said[-1] if said else f"exit code {code}"
        if code < 0:
            reason = f"its process was killed by signal {-code}, {run.tries} times"
        self.totals.failed += 1
        result = Result("failed")
        if run.job is not None:
            self._schedule.report(run.job, result)
        self.watcher.ended(run.name, result, trained, reason)

    def _end(self, name: str, job: Job | None, target: Target, card: Card, trained: int, reason: str | None) -> None:
        result = self._result(target, card)
        if result.outcome == "failed":
            self.totals.failed += 1
        if job is not None:
            self._schedule.report(job, result)
        self.watcher.ended(name, result, trained, reason)

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
        parent = self._best_parent() if self.spec.trainer.tail_epochs else None
        if parent is None:
            return None
        name = f"tail-{parent}"
        request = Request(
            spec=self.spec,
            store=self.store,
            trial=name,
            params={},
            tail_of=parent,
            threads=machine.cores(),
            data_dir=self.data_dir,
        )
        config = configuration(request, description)
        target = Target.of(request, self.experiment, config)
        card = target.finished(self.store.trial(config.key))
        if card is not None:
            record(self.experiment, request, config.key)
            return self._end(name, None, target, card, 0, card.reason)
        self._start(name, request, description, None)
        while self._running:
            self._handle_events()
        return None

    def _best_parent(self) -> str | None:
        """The key of the best trial that is no tail itself and rests at the end of an epoch."""
        for entry in rank(self.store, self.spec).entries:
            if entry.rank is None or entry.key is None or entry.status not in ("paused", "succeeded"):
                continue
            if TrialConfig.read(self.store.trial(entry.key).config).parent is None:
                return entry.key
        return None

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """While this lasts, Ctrl-C and SIGTERM end the search in order."""
        before = {number: signal.signal(number, lambda *_: self._stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop_children(self) -> None:
        self._stop.set()
        for run in self._running.values():
            run.child.terminate()
        deadline = time.monotonic() + STOP_WITHIN
        while self._running:
            try:
                kind, name, _ = self._events.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                for run in self._running.values():
                    run.child.kill()
                deadline = time.monotonic() + STOP_WITHIN
                continue
            if kind == "exit":
                del self._running[name]


def arguments_of(request: Request, spec: Path) -> list[str]:
    """The trial program's command line for a request, as Katib's Job would have it."""
    arguments = ["--spec", str(spec), "--store", str(request.store.root), "--trial", request.trial, "--threads", str(request.threads)]
    if request.number is not None:
        arguments += ["--number", str(request.number)]
    if request.data_dir is not None:
        arguments += ["--data-dir", str(request.data_dir)]
    if request.tail_of is not None:
        return [*arguments, "--tail-of", request.tail_of]
    if request.bars is not None:
        bars = [f"{epoch}={'never' if bar is None else repr(bar)}" for epoch, bar in request.bars.items()]
        arguments += [f"--bar={bar}" for bar in bars or ["none"]]
    return [*arguments, *(f"{name}={value}" for name, value in request.params.items())]


def parallel_trials(spec: Spec) -> int:
    """parallelTrialCount, or for auto what fits the cores and the free memory, but not more than there are trials."""
    asked = spec.experiment.parallel_trial_count
    if asked != "auto":
        return asked
    fits = min(machine.cores(), int(machine.available_memory() // MEMORY_PER_TRIAL), spec.experiment.max_trial_count)
    return max(1, fits)
