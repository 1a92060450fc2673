"""The training part of a trial: budget gate, resume, epochs with their checkpoints and metric lines, bundle, card."""

from __future__ import annotations

import logging
import math
import time
import traceback
from typing import Any

import torch
from atelier_store import budget
from atelier_store.clock import now
from atelier_store.curve import append_epoch, read_curve, truncate
from atelier_store.files import sha256_file
from atelier_store.layout import TrialPaths
from atelier_store.lease import Lease, LeaseLost
from atelier_store.records import Card, DataDescription, Epoch, Latency, Provenance, TrialConfig
from atelier_trial import data
from atelier_trial.metric_lines import MetricLines
from atelier_trial.request import Request, StopRequest
from atelier_trial.target import DIVERGED, Target, card_of

from atelier_trainer import checkpoint, describe, environment, export, model
from atelier_trainer.training import Recipe, Rows, Stopped, Training

log = logging.getLogger("atelier.trial")


FIRST_STEP = "first training step done"


class Diverged(Exception):
    """Training gave a value that is not finite."""


class Run:
    """One run of a trial that owns the lease; `finish` brings it to its end or to where it was asked to stop."""

    def __init__(
        self,
        request: Request,
        target: Target,
        description: DataDescription,
        config: TrialConfig,
        paths: TrialPaths,
        lease: Lease,
        stop: StopRequest,
    ) -> None:
        self.request = request
        self.target = target
        self.description = description
        self.config = config
        self.paths = paths
        self.lease = lease
        self.stop = stop
        self.lines = MetricLines(target.objective)
        self.cost: dict[str, Any] = {}
        self.values: list[float] = []
        self.has_stepped = False

    def finish(self) -> Card:
        """Train to the target, or to where a stop is asked for; the card that is then in the store."""
        try:
            return self._train()
        except LeaseLost:
            raise
        except Diverged as error:
            return self._write_card("failed", reason=f"{DIVERGED}: {error}", **self.cost)
        except Exception as error:  # whatever a user's network raises fails this trial alone, with its reason
            log.error("%s", traceback.format_exc())
            return self._write_card("failed", reason=f"{type(error).__name__}: {error}", **self.cost)

    def _train(self) -> Card:
        device = environment.configure(self.request.threads)
        training, validation = self._prepare(device)
        over = self._gate(training.model)
        if over:
            self.lines.print({self.target.objective.objective_metric_name: self.target.worst()})
            return self._write_card("over_budget", reason="over budget: " + "; ".join(over), **self.cost)
        self._resume(training, device)
        self._write_card("running", **self.cost)
        try:
            while (end := self.target.end(self.values)) is None and not self.stop():
                self._epoch(training, validation)
        except Stopped:
            self._checkpoint(training)
        if end is None:
            log.info(
                "stopped after epoch %d, batch %d; the next run goes on from there", training.epoch, training.position
            )
            return self._stopped_card(training)
        log.info("%s after epoch %d", end[1], training.epoch)
        return self._export(training, validation, end[1])

    def _prepare(self, device: torch.device) -> tuple[Training, Rows]:
        x, y, training_rows, validation_rows = data.load_split(
            self.request.store, self.description, self.config.validation_fraction, self.config.seed
        )
        kind, task = self.description.kind, self.description.task
        outputs = len(self.description.labels or ()) if task == "classification" else y.shape[1]
        self.input_statistics = data.input_statistics(x[training_rows], kind)
        torch.manual_seed(self.config.seed)
        built = model.build(
            self.request.spec.trainer.network,
            self.config.params,
            kind,
            model.statistics(self.input_statistics, y[training_rows], task),
            self.description.shape,
            outputs,
        ).to(device)
        precision = environment.precision(device, kind)
        self.environment = environment.describe(device, precision)
        recipe = Recipe.of(self.config.params, self.config.seed, self.config.tail_epochs)
        rows, validation = (
            Rows(torch.from_numpy(x[index]), torch.from_numpy(y[index])) for index in (training_rows, validation_rows)
        )
        return Training(built, task, kind, rows, recipe, precision), validation

    def _gate(self, built: model.Model) -> list[str]:
        example = torch.zeros(
            (1, *self.description.shape), dtype=torch.uint8 if self.description.kind == "images" else torch.float32
        )
        latency = None
        if self.target.spec.trainer.budget.latency_ms is not None:
            latency = export.measure_latency(export.to_onnx(built, self.description.task, example), example.numpy())
        device = next(built.parameters()).device
        self.cost = {
            "params": model.count_params(built),
            "macs": model.count_macs(built, example.to(device)),
            "latency": latency,
        }
        return budget.exceeded(
            self.target.spec.trainer.budget,
            self.cost["params"],
            self.cost["macs"],
            latency.p50_ms if latency is not None else None,
        )

    def _resume(self, training: Training, device: torch.device) -> None:
        if self.paths.checkpoint.exists():
            try:
                training.load_state_dict(checkpoint.load(self.paths.checkpoint, device)["training"])
                log.info("resuming after epoch %d, batch %d", training.epoch, training.position)
            except (checkpoint.TornCheckpoint, KeyError, RuntimeError) as error:
                log.warning("the checkpoint is torn (%s); starting over", error)
                self.paths.checkpoint.rename(self.paths.checkpoint.with_suffix(".torn"))
        if training.epoch == training.position == 0 and self.config.parent is not None:
            parent = checkpoint.load(self.request.store.trial(self.config.parent).checkpoint, device)["training"]
            if (parent["epoch"], parent["position"]) != (self.config.parent_epochs, 0):
                raise ValueError(
                    f"the parent {self.config.parent} is at epoch {parent['epoch']}, not {self.config.parent_epochs}"
                )
            training.begin_tail(parent)
        truncate(self.paths.metrics, training.epoch)
        curve = read_curve(self.paths.metrics)
        if len(curve) < training.epoch:
            raise ValueError(
                f"{self.paths.metrics}: holds {len(curve)} of {training.epoch} epochs; remove the trial's folder to train it again"
            )
        self.values = [self._objective(epoch.metrics) for epoch in curve]
        self.target.print_again(self.lines, curve)

    def _epoch(self, training: Training, validation: Rows) -> None:
        started = time.monotonic()
        loss = training.train_epoch(self._after_batch)
        metrics = {**training.evaluate(validation), "train_loss": loss}
        if not all(map(math.isfinite, metrics.values())):
            raise Diverged(
                f"epoch {training.epoch}: " + ", ".join(f"{name} {value}" for name, value in metrics.items())
            )
        self.lease.check()
        append_epoch(
            self.paths.metrics,
            Epoch(
                epoch=training.epoch, metrics=metrics, seconds=round(time.monotonic() - started, 3), finished_at=now()
            ),
        )
        self._checkpoint(training)
        self.values.append(self._objective(metrics))
        if training.epoch in self.target.rungs:
            self.target.mark(training.epoch, self.values[-1])
        self.lines.print(metrics)
        log.info("epoch %d: %s", training.epoch, ", ".join(f"{name} {value:.4g}" for name, value in metrics.items()))

    def _after_batch(self) -> bool:
        if not self.has_stepped:
            self.has_stepped = True
            log.info("%s", FIRST_STEP)
        return self.stop()

    def _checkpoint(self, training: Training) -> None:
        self.lease.check()
        checkpoint.save(self.paths.checkpoint, {"key": self.config.key, "training": training.state_dict()})

    def _objective(self, metrics: dict[str, float]) -> float:
        return metrics[self.target.objective.objective_metric_name]

    def _export(self, training: Training, validation: Rows, status: Any) -> Card:
        x, task = validation.x.numpy(), self.description.task
        answers = training.answers(validation.x)
        weights = checkpoint.weights_sha256(training.averaged)
        onnx = export.to_onnx(training.averaged, task, validation.x[:1])
        latency: Latency = export.measure_latency(onnx, x[:1])
        metrics = read_curve(self.paths.metrics)[-1].metrics
        self.lease.check()
        export.write_bundle(
            self.paths.bundle,
            onnx,
            x,
            answers,
            {
                "kind": self.description.kind,
                "task": task,
                **export.signature(x, answers, task),
                "input_statistics": self.input_statistics,
                "labels": self.description.labels,
                "feature_names": self.description.feature_names,
                "target_name": self.description.target_name,
                "objective_metric_name": self.target.objective.objective_metric_name,
                "metrics": metrics,
                "architecture": describe.architecture(self.config, self.description.kind),
                "config": self.config,
                "params": self.cost["params"],
                "macs": self.cost["macs"],
                "latency": latency,
                "parity": export.parity(onnx, x, answers, task, self.request.threads),
                "weights_sha256": weights,
                "provenance": self._provenance(training),
            },
        )
        self.cost["latency"] = latency
        bundle = {
            path.relative_to(self.paths.folder).as_posix(): path for path in sorted(self.paths.bundle.folder.iterdir())
        }
        files = bundle | {path.name: path for path in (self.paths.config, self.paths.metrics, self.paths.checkpoint)}
        digests = {name: sha256_file(path) for name, path in files.items()}
        return self._write_card(
            status, **self._progress(training), weights_sha256=weights, files=digests, metrics=metrics, **self.cost
        )

    def _provenance(self, training: Training) -> Provenance:
        return Provenance(
            experiment=self.target.spec.experiment_name,
            spec_digest=self.target.spec.search_digest,
            data_digest=self.description.digest,
            network_digest=self.config.network_digest,
            recipe_version=self.config.recipe_version,
            seed=self.config.seed,
            trial=self.request.trial,
            key=self.config.key,
            epochs=training.epoch,
            parents=(self.config.parent,) if self.config.parent is not None else (),
            environment=self.environment,
        )

    def _progress(self, training: Training) -> dict[str, Any]:
        best = min(range(len(self.values)), key=lambda i: self.target.objective.rank_key(self.values[i]), default=None)
        if best is None:
            return {"epochs": training.epoch}
        return {"epochs": training.epoch, "metric": self.values[best], "best_epoch": best + 1}

    def _stopped_card(self, training: Training) -> Card:
        return self._write_card(
            "stopped", reason="asked to stop; runs on from its checkpoint", **self._progress(training), **self.cost
        )

    def _write_card(self, status: Any, **fields: Any) -> Card:
        self.lease.check()
        known = {"environment": self.environment} if hasattr(self, "environment") else {}
        card = card_of(self.config.key, self.target.objective, status=status, **known, **fields)
        card.write(self.paths.card)
        return card
