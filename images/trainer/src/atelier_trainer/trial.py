"""One trial, from its parameters to its bundle. Everything before `Run` is torch-free, so that a finished trial answers at once."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atelier_store import budget, halving
from atelier_store.bundle import check_digests
from atelier_store.clock import now
from atelier_store.curve import read_curve
from atelier_store.layout import ExperimentPaths, Store, TrialPaths
from atelier_store.lease import Lease
from atelier_store.ranking import best_parent
from atelier_store.records import Card, DataDescription, Epoch, RungValue, TrialConfig, TrialRecord
from atelier_store.spec import Objective, Spec

from atelier_trainer import data, identity
from atelier_trainer.report import MetricLines
from atelier_trainer.space import InvalidParams

log = logging.getLogger("atelier.trial")

DIVERGED = "diverged"
BEST = "best"
"""In the place of a key: the best trial of the experiment."""


@dataclass(frozen=True)
class Request:
    """What the command line asks for. bars is None where the trial decides by itself from the store; tail_of is a key, or BEST."""

    spec: Spec
    store: Store
    trial: str
    params: dict[str, str]
    number: int | None = None
    bars: dict[int, float | None] | None = None
    tail_of: str | None = None
    threads: int = 1
    data_dir: Path | None = None


class StopRequest:
    """Becomes true on SIGTERM or SIGINT; the trial ends at the next safe point."""

    def __init__(self) -> None:
        self.event = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.event.set())

    def __call__(self) -> bool:
        return self.event.is_set()


def run_trial(request: Request, stop: StopRequest) -> Card:
    """Train, or find trained, what the request names; the card says what became of it.

    Raises InvalidParams or data.DataError for wrong input, before anything is trained.
    """
    experiment = request.store.experiment(request.spec.experiment_name)
    description = data.prepare(request.spec.trainer.data, request.store, Path.cwd(), request.data_dir, request.spec.trainer.seed)
    try:
        config = configuration(request, description)
    except InvalidParams as error:
        record(experiment, request, key=None, error=str(error))
        raise
    record(experiment, request, key=config.key)
    paths = request.store.trial(config.key)
    with Lease.acquire(
        paths.lease,
        f"trial {request.trial}",
        keep_waiting=lambda: not stop(),
        on_wait=lambda holder: log.info("waiting for %s", holder),
    ) as lease:
        config.write(paths.config)
        with logged_to(paths.log):
            log.info("trial %s is %s", request.trial, config.key)
            target = Target.of(request, experiment, config)
            finished = target.finished(paths)
            if finished is not None:
                target.print_stored(paths, finished)
                return finished
            from atelier_trainer.run import Run  # imports torch, seconds that a finished trial need not spend

            return Run(request, target, description, config, paths, lease, stop).finish()


def configuration(request: Request, description: DataDescription) -> TrialConfig:
    """The canonical configuration that the request comes to. InvalidParams."""
    if request.tail_of is None:
        return identity.trial_config(request.spec, description, request.params)
    parent = request.store.trial(parent_of(request, request.tail_of))
    card = Card.read(parent.card)
    return identity.tail_config(TrialConfig.read(parent.config), card.epochs, request.spec.trainer.tail_epochs)


def parent_of(request: Request, tail_of: str) -> str:
    """The key of the trial whose tail is asked for. InvalidParams."""
    if tail_of != BEST:
        if not request.store.trial(tail_of).config.exists():
            raise InvalidParams([f"--tail-of: {tail_of}: no such trial in this store"])
        return tail_of
    parent = best_parent(request.store, request.spec)
    if parent is None:
        name = request.spec.experiment_name
        raise InvalidParams([f"--tail-of: {BEST}: no trial of {name} that is paused or succeeded can be promoted, so none has a tail"])
    log.info("the best trial of %s is %s", request.spec.experiment_name, parent)
    return parent


def record(experiment: ExperimentPaths, request: Request, key: str | None, error: str | None = None) -> None:
    """Say in the experiment which key this trial came to."""
    TrialRecord(trial=request.trial, number=request.number, params=request.params, key=key, error=error).write(
        experiment.trial(request.trial)
    )
    if not experiment.spec.exists():
        request.spec.write(experiment.spec)


@dataclass(frozen=True)
class Target:
    """How far this trial is to go, and what it has to prove on the way."""

    spec: Spec
    experiment: ExperimentPaths
    key: str
    max_epochs: int
    rungs: tuple[int, ...]
    bars: dict[int, float | None] | None

    @classmethod
    def of(cls, request: Request, experiment: ExperimentPaths, config: TrialConfig) -> Target:
        """The target of a request; a tail has no rungs."""
        if config.tail_epochs is not None:
            return cls(request.spec, experiment, config.key, config.tail_epochs, (), {})
        max_epochs = request.spec.trainer.max_epochs
        own = halving.rungs(request.spec.experiment.early_stopping, max_epochs)
        rungs = own if request.bars is None else sorted(e for e in request.bars if e < max_epochs)
        return cls(request.spec, experiment, config.key, max_epochs, tuple(rungs), request.bars)

    @property
    def objective(self) -> Objective:
        return self.spec.experiment.objective

    def bar(self, epoch: int) -> float | None:
        """What must be reached at a rung to go on: as asked for, or by what the store says now."""
        if self.bars is not None:
            return self.bars[epoch]
        others = [value for key, value in rung_values(self.experiment, epoch).items() if key != self.key]
        return halving.bar(others, self.objective, self.spec.experiment.early_stopping.setting("eta", 3))

    def end(self, values: list[float]) -> tuple[int, halving.Outcome] | None:
        """Where a trial with these values ends, or None if it has to go on."""
        bars = {epoch: self.bar(epoch) for epoch in self.rungs if epoch <= len(values)}
        return halving.end_of_run(values, bars, self.max_epochs, self.objective)

    def finished(self, paths: TrialPaths) -> Card | None:
        """The card of a trial that has nothing left to do: as far as asked, its bundle whole; or diverged, or over this budget."""
        card = Card.read_if_whole(paths.card)
        if card is None:
            return None
        if budget.exceeded(self.spec.trainer.budget, card.params, card.macs, card.latency.p50_ms if card.latency else None):
            return card.model_copy(update={"status": "over_budget"})
        if card.status == "failed":
            return card if card.reason is not None and card.reason.startswith(DIVERGED) else None
        curve = read_curve(paths.metrics)
        at_hand = card.epochs == len(curve) and self.end([e.metrics[self.objective.objective_metric_name] for e in curve]) is not None
        return card if at_hand and card.weights_sha256 is not None and not check_digests(paths.bundle) else None

    def print_stored(self, paths: TrialPaths, card: Card) -> None:
        """What the trial would have printed, and its marks on the rungs of this experiment."""
        lines = MetricLines(self.objective)
        if card.status == "over_budget":
            lines.print({self.objective.objective_metric_name: self.worst()})
            return
        curve = read_curve(paths.metrics)
        end = self.end([e.metrics[self.objective.objective_metric_name] for e in curve])
        self.print_again(lines, curve[: end[0] if end else len(curve)])
        log.info("already trained for %d epochs: nothing to do", card.epochs)

    def print_again(self, lines: MetricLines, curve: list[Epoch]) -> None:
        """The lines and marks of epochs trained by an earlier run, which this run's reader has not seen."""
        for epoch in curve:
            if epoch.epoch in self.rungs:
                self.mark(epoch.epoch, epoch.metrics[self.objective.objective_metric_name])
            lines.print(epoch.metrics)

    def mark(self, epoch: int, value: float) -> None:
        """Leave a value on a rung."""
        RungValue(key=self.key, value=value).write(self.experiment.rung(epoch) / f"{self.key}.json")

    def worst(self) -> float:
        """The worst finite objective that this experiment has seen on its rungs; 0 where there is none yet."""
        seen = [value for epoch in self.rungs for value in rung_values(self.experiment, epoch).values()]
        return max(seen, key=self.objective.rank_key, default=0.0)


def rung_values(experiment: ExperimentPaths, epoch: int) -> dict[str, float]:
    """Every value on a rung, by key; what is torn is not there."""
    folder = experiment.rung(epoch)
    marks = [RungValue.read_if_whole(path) for path in sorted(folder.glob("[!.]*.json"))] if folder.is_dir() else []
    return {mark.key: mark.value for mark in marks if mark is not None}


@contextmanager
def logged_to(path: Path) -> Iterator[None]:
    """Keep the log in the store as well, while this lasts."""
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("atelier")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


def card_of(key: str, objective: Objective, **fields: Any) -> Card:
    """A card of this moment."""
    return Card(key=key, objective_metric_name=objective.objective_metric_name, updated_at=now(), **fields)
