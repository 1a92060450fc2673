"""One run of a trial by the process that holds its lease: what it writes to the card, and how a failure ends."""

from __future__ import annotations

import logging
import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from atelier_store import machine
from atelier_store.clock import now
from atelier_store.files import sha256_file
from atelier_store.lease import Lease, LeaseLost
from atelier_store.records import Card, Environment, Int8, Status
from atelier_trial import own_code
from atelier_trial.request import StopRequest, Trial
from atelier_trial.target import DIVERGED, Target

from atelier_trainer.cost import Cost

log = logging.getLogger("atelier.trial")


class Diverged(Exception):
    """Values that are not finite."""


@dataclass(frozen=True)
class Progress:
    """How far a trial has come: epochs, the objective of the weights that it keeps, and the epoch where it was best."""

    epochs: int = 0
    metric: float | None = None
    best_epoch: int | None = None


@dataclass(frozen=True)
class Exported:
    """What a card says about the bundle. files maps a path below the trial's folder to its sha256."""

    weights_sha256: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    int8: Int8 | None = None


class Attempt(ABC):
    """One run of a trial; `finish` does its work and says how it ended. environment and cost are set once known."""

    def __init__(self, trial: Trial, target: Target, lease: Lease, stop: StopRequest) -> None:
        self.trial = trial
        self.target = target
        self.lease = lease
        self.stop = stop
        self.paths = trial.paths
        self.environment: Environment | None = None
        self.cost: Cost | None = None

    @abstractmethod
    def work(self) -> Card:
        """Bring the trial to its end, or until a stop request; the card that is then in the store."""

    def finish(self) -> Card:
        """The same; what is raised fails this trial alone, with its reason in the card. LeaseLost."""
        try:
            return self.work()
        except LeaseLost:
            raise
        except Diverged as error:
            return self.write_card("failed", f"{DIVERGED}: {error}")
        except (Exception, SystemExit) as error:  # a network may be of the user, and may raise anything
            log.error("%s", traceback.format_exc())
            return self.write_card("failed", own_code.reason(error))

    def over_budget(self, cost: Cost) -> Card | None:
        """Remember what the network costs; the card if that is more than the budget allows."""
        self.cost = cost
        over = cost.over(self.target.spec.trainer.budget)
        return self.write_card("over_budget", "over budget: " + "; ".join(over)) if over else None

    def digests(self, written: Iterable[Path]) -> dict[str, str]:
        """The sha256 of each of these files of the trial, by its path below the trial's folder."""
        return {path.relative_to(self.paths.folder).as_posix(): sha256_file(path) for path in written}

    def write_card(
        self,
        status: Status,
        reason: str | None = None,
        progress: Progress = Progress(),  # immutable
        exported: Exported = Exported(),
    ) -> Card:
        """Write the card, if the lease is still held. LeaseLost."""
        self.lease.check()
        cost = self.cost
        before = Card.read_if_whole(self.paths.card)
        card = Card(
            key=self.trial.config.key,
            status=status,
            reason=reason,
            objective_metric_name=self.target.objective.objective_metric_name,
            metric=progress.metric,
            best_epoch=progress.best_epoch,
            metrics=exported.metrics,
            epochs=progress.epochs,
            params=cost.params if cost else None,
            macs=cost.macs if cost else None,
            latency=cost.latency if cost else None,
            operations=cost.operations if cost else None,
            int8=exported.int8,
            peak_memory_bytes=max(machine.peak_memory(), (before and before.peak_memory_bytes) or 0),
            weights_sha256=exported.weights_sha256,
            environment=self.environment,
            files=exported.files,
            updated_at=now(),
        )
        card.write(self.paths.card)
        return card
