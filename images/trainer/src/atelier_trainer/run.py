"""The training part of a trial: budget, resume, epochs with their checkpoints and metric lines, bundle, card."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from atelier_store import machine, out_of_fold
from atelier_store.clock import now
from atelier_store.curve import append_epoch, read_curve, truncate
from atelier_store.in_words import counted
from atelier_store.lease import Lease
from atelier_store.out_of_fold import OutOfFold
from atelier_store.records import Card, Epoch, Manifest, Provenance
from atelier_store.scores import DEFINED_FOR, mean_scores, of_targets
from atelier_trial.data.files import words_of_size
from atelier_trial.request import StopRequest, Trial
from atelier_trial.space import BUILT_IN
from atelier_trial.target import TRAIN_LOSS, Target

from atelier_trainer import checkpoint, describe, environment, export, exportable
from atelier_trainer.attempt import Attempt, Diverged, Exported, Progress
from atelier_trainer.cost import Cost, cost_of
from atelier_trainer.epoch_progress import EpochProgress
from atelier_trainer.examples import in_order
from atelier_trainer.setup import Setup, outputs_of, set_up
from atelier_trainer.training import Stopped, Training

log = logging.getLogger("atelier.trial")

FIRST_STEP = "first training step done"


@dataclass(frozen=True)
class Best:
    """The epoch that is the best so far, and its averaged weights."""

    epoch: int
    weights: dict[str, Any]


class Run(Attempt):
    """A run that trains: `finish` goes on to the trial's end, or until a stop request."""

    def __init__(self, trial: Trial, target: Target, lease: Lease, stop: StopRequest) -> None:
        super().__init__(trial, target, lease, stop)
        self.lines = target.lines()
        self.curve: list[Epoch] = []
        self.best: Best | None = None

    def work(self) -> Card:
        device = environment.configure(self.trial.request.threads)
        setup = set_up(self.trial, device)
        training = setup.training
        self.environment = setup.environment
        spec = self.target.spec
        has_latency, has_operations = spec.trainer.budget.latency_ms is not None, spec.asks_for_latency
        cost = cost_of(training.model, self.trial.description, has_latency, has_operations)
        if (over := self.over_budget(cost)) is not None:
            self.lines.print({self.target.objective.objective_metric_name: self.target.worst()})
            return over
        if self.target.spec.trainer.network != BUILT_IN and not self.paths.checkpoint.exists():
            outputs = outputs_of(self.trial.description, setup.validation.y.numpy())
            examples = setup.validation.x[: max(exportable.BATCHES)]
            exportable.check(training.model, self.trial.description.task, examples, outputs)
        self._resume(training, device)
        self.write_card("running")
        try:
            while (end := self.target.end(self.target.values(self.curve))) is None and not self.stop():
                self._epoch(setup)
        except Stopped:
            self._checkpoint(training)
        if end is None:
            log.info(
                "stopped after epoch %d, batch %d; the next run goes on from there", training.epoch, training.position
            )
            reason = "asked to stop; runs on from its checkpoint"
            return self.write_card("stopped", reason, self._progress(training))
        log.info("%s after epoch %d", end[1], training.epoch)
        if self.best is not None:
            log.info("its weights are those of epoch %d, the best", self.best.epoch)
            training.load_averaged_state(self.best.weights)
        exported, self.cost = self._export(setup, cost)
        log.info("at most %s in memory", words_of_size(machine.peak_memory()))
        return self.write_card(end[1], None, self._progress(training), exported)

    def _resume(self, training: Training, device: torch.device) -> None:
        config = self.trial.config
        if self.target.lacks_objective(read_curve(self.paths.metrics)):
            log.info("trained without %s; starting over", self.target.objective.objective_metric_name)
            self.paths.checkpoint.unlink(missing_ok=True)
        if self.paths.checkpoint.exists():
            try:
                state = checkpoint.load(self.paths.checkpoint, device)
                training.load_state_dict(state["training"])
                self.best = Best(**state["best"]) if "best" in state else None
                log.info("resuming after epoch %d, batch %d", training.epoch, training.position)
            except (checkpoint.TornCheckpoint, KeyError, RuntimeError) as error:
                log.warning("the checkpoint is torn (%s); starting over", error)
                self.paths.checkpoint.rename(self.paths.checkpoint.with_suffix(".torn"))
        if not training.has_begun and config.parent is not None:
            parent = checkpoint.load(self.trial.request.store.trial(config.parent).checkpoint, device)["training"]
            if (parent["epoch"], parent["position"]) != (config.parent_epochs, 0):
                raise ValueError(
                    f"the parent {config.parent} is at epoch {parent['epoch']}, not {config.parent_epochs}"
                )
            training.begin_tail(parent)
        truncate(self.paths.metrics, training.epoch)
        curve = read_curve(self.paths.metrics)
        if len(curve) < training.epoch:
            held = (
                f"holds {len(curve)} of {counted(training.epoch, 'epoch')}; remove the trial's folder to train it again"
            )
            raise ValueError(f"{self.paths.metrics}: {held}")
        self.curve = curve
        self.target.print_again(self.lines, curve)

    def _epoch(self, setup: Setup) -> None:
        training = setup.training
        started = time.monotonic()
        progress = EpochProgress(training.epoch + 1, training.batches_done, training.batches_of_epoch)
        loss = training.train_epoch(lambda: self._must_stop(training, progress))
        metrics = {**setup.evaluate(), TRAIN_LOSS: loss}
        if not all(map(math.isfinite, metrics.values())):
            values = ", ".join(f"{name} {value}" for name, value in metrics.items())
            raise Diverged(f"epoch {training.epoch}: {values}")
        self._check_objective(metrics)
        seconds = round(time.monotonic() - started, 3)
        epoch = Epoch(epoch=training.epoch, metrics=metrics, seconds=seconds, finished_at=now())
        self.curve.append(epoch)
        kept = self.target.kept(self.curve)[-1]
        if self.trial.config.keep_weights is not None and kept is epoch:
            self.best = Best(epoch.epoch, training.averaged_state())
        self.lease.check()
        append_epoch(self.paths.metrics, epoch)
        self._checkpoint(training)
        self.target.tell(self.lines, epoch.epoch, kept)
        log.info("epoch %d: %s", training.epoch, ", ".join(f"{name} {value:.4g}" for name, value in metrics.items()))

    def _must_stop(self, training: Training, progress: EpochProgress) -> bool:
        """Whether to stop after the batch just done. The trial's first batch is logged: its start-up is over then."""
        if training.steps == 1:
            log.info("%s", FIRST_STEP)
        progress.at(training.batches_done)
        return self.stop()

    def _checkpoint(self, training: Training) -> None:
        self.lease.check()
        state = {"key": self.trial.config.key, "training": training.state_dict()}
        best = {"best": vars(self.best)} if self.best is not None else {}
        checkpoint.save(self.paths.checkpoint, state | best)

    def _check_objective(self, metrics: dict[str, float]) -> None:
        """ValueError if the objective is not defined for the validation rows."""
        name = self.target.objective.objective_metric_name
        if name not in metrics:
            needed = DEFINED_FOR.get(name.removeprefix("val_"), "other rows")
            raise ValueError(
                f"experiment.objective.objectiveMetricName: {name} is defined for {needed}, which the validation rows "
                f"are not; allowed: {', '.join(metrics)}"
            )

    def _export(self, setup: Setup, cost: Cost) -> tuple[Exported, Cost]:
        """Write the bundle; what the card says of it, and the cost with the latency of the network as it is served."""
        config, description = self.trial.config, self.trial.description
        training, task, columns = setup.training, description.task, description.columns
        validation = setup.validation.x
        x = validation[: export.REFERENCE_ROWS].numpy()
        answers = training.answers(validation)
        weights = checkpoint.weights_sha256(training.averaged)
        onnx = export.to_onnx(training.averaged, task, validation[:1], columns)
        decides = self.trial.request.spec.asks_for_latency
        latency = export.measure_latency(onnx, export.inputs(x[:1], columns), decides)
        if cost.latency is not None:  # the same operations, by which it was found to be within the budget
            latency = min(cost.latency, latency, key=lambda one: one.p50_ms)
        metrics = self.target.kept(self.curve)[-1].metrics
        self.lease.check()
        manifest = Manifest(
            kind=description.kind,
            task=task,
            inputs=export.input_tensors(x, columns),
            outputs=(export.output_tensor(answers, export.output_name(task, columns)),),
            input_statistics=setup.of_inputs.input_statistics,
            columns=columns,
            column_statistics=setup.of_inputs.column_statistics,
            missing=description.missing,
            fit=description.fit,
            labels=description.labels,
            feature_names=description.feature_names,
            target_name=description.target_name,
            target_names=description.target_names,
            objective_metric_name=self.target.objective.objective_metric_name,
            metrics=metrics,
            target_metrics=self._of_targets(setup),
            architecture=describe.architecture(config, description.kind),
            config=config,
            params=cost.params,
            macs=cost.macs,
            latency=latency,
            parity=export.parity(
                onnx,
                (export.inputs(part.numpy(), columns) for part in in_order(validation)),
                *(answers, task, self.trial.request.threads),
            ),
            weights_sha256=weights,
            provenance=self._provenance(setup),
            files={},
        )
        reference = export.reference_rows(x, columns)
        referred = answers[: len(reference)] if columns is None else training.answers(torch.from_numpy(reference))
        kept = self._keep_out_of_fold(setup, weights)
        export.write_bundle(self.paths.bundle, onnx, export.inputs(reference, columns), referred, manifest)
        bundle = self.paths.bundle
        written = (
            *(bundle.manifest, *bundle.contents),
            *(self.paths.config, self.paths.metrics, self.paths.checkpoint),
            *kept,
        )
        return Exported(weights, metrics, self.digests(written)), replace(cost, latency=latency)

    def _keep_out_of_fold(self, setup: Setup, weights_sha256: str) -> tuple[Path, ...]:
        """Keep what the networks of the folds answer, each to the rows that it has not learnt from; the file."""
        if self.trial.config.folds is None:
            return ()
        path, answers, size = self.paths.out_of_fold, [], 0
        for training, rows in setup.validated:
            answers.append(training.answers(rows.x))
            size += answers[-1].nbytes
            if size > out_of_fold.MOST:
                most = words_of_size(out_of_fold.MOST)
                log.warning("the answers of the folds' networks are more than %s and are not kept", most)
                path.unlink(missing_ok=True)
                return ()
        out_of_fold.write(path, OutOfFold.of(setup.numbers, answers), weights_sha256)
        return (path,)

    def _of_targets(self, setup: Setup) -> dict[str, dict[str, float]] | None:
        """The validation scores of each of several named targets, if there are any; with folds their means."""
        names = self.trial.description.target_names
        if names is None or self.trial.config.retrained_epochs is not None:
            return None
        each = [
            of_targets(training.answers(rows.x), rows.y.numpy(), "val", names, rows.weights)
            for training, rows in setup.validated
        ]
        return {name: mean_scores([of[name] for of in each]) for name in names}

    def _provenance(self, setup: Setup) -> Provenance:
        config, spec = self.trial.config, self.trial.request.spec
        return Provenance(
            experiment=spec.experiment_name,
            spec_digest=spec.search_digest,
            data_digest=self.trial.description.digest,
            network_digest=config.network_digest,
            recipe_version=config.recipe_version,
            seed=config.seed,
            trial=self.trial.request.trial,
            key=config.key,
            epochs=setup.training.epoch,
            best_epoch=self.best.epoch if self.best is not None else None,
            parents=tuple(key for key in (config.parent or self.trial.request.retrain_of,) if key is not None),
            environment=setup.environment,
        )

    def _progress(self, training: Training) -> Progress:
        if not self.curve:
            return Progress(training.epoch)
        name, rank_key = self.target.objective.objective_metric_name, self.target.objective.rank_key
        best = min(self.curve, key=lambda epoch: rank_key(epoch.metrics[name]))
        return Progress(training.epoch, self.target.values(self.curve)[-1], best.epoch)
