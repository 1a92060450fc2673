"""How far a trial is to train: its rungs, where it ends, and whether anything is left to do."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from atelier_store import budget, halving, keeping, marks
from atelier_store.bundle import check_digests
from atelier_store.curve import read_curve
from atelier_store.layout import ExperimentPaths, TrialPaths
from atelier_store.records import Card, Epoch, RungValue, TornRecord, TrialConfig
from atelier_store.spec import Objective, Spec

from atelier_trial.metric_lines import MetricLines
from atelier_trial.request import Request

log = logging.getLogger("atelier.trial")

DIVERGED = "diverged"
TRAIN_LOSS = "train_loss"


@dataclass(frozen=True)
class Target:
    """How far this trial is to train, and the bars that it has to reach on the way.

    spec is the search's as this trial has it: what is retrained is not measured, and has but its loss of training.
    """

    spec: Spec
    experiment: ExperimentPaths
    key: str
    max_epochs: int
    rungs: tuple[int, ...]
    bars: dict[int, float | None] | None
    is_measured: bool = True

    @classmethod
    def of(cls, request: Request, experiment: ExperimentPaths, config: TrialConfig) -> Target:
        """The target of a request; a tail and what is retrained have no rungs, and what is not trained no epochs."""
        spec = request.spec if config.retrained_epochs is None else _unmeasured(request.spec)
        if not config.is_trained:
            return cls(spec, experiment, config.key, 0, (), {}, config.retrained_epochs is None)
        if (epochs := config.tail_epochs or config.retrained_epochs) is not None:
            return cls(spec, experiment, config.key, epochs, (), {}, config.retrained_epochs is None)
        max_epochs = request.spec.trainer.max_epochs
        own = halving.rungs(request.spec.experiment.early_stopping, max_epochs)
        chosen = own if request.bars is None else sorted(e for e in request.bars if e < max_epochs)
        rungs = [epoch for epoch in chosen if epoch > request.resumed_at]
        return cls(request.spec, experiment, config.key, max_epochs, tuple(rungs), request.bars)

    @property
    def objective(self) -> Objective:
        return self.spec.experiment.objective

    @property
    def is_trained(self) -> bool:
        """Whether anything is: an average, a mirrored and an int8 variant are made from networks that were."""
        return self.max_epochs > 0

    def bar(self, epoch: int) -> float | None:
        """The value that the trial needs at a rung to go on: as requested, or by the values in the store now."""
        if self.bars is not None:
            return self.bars[epoch]
        others = [value for key, value in rung_values(self.experiment, epoch).items() if key != self.key]
        return halving.bar(others, self.objective, self.spec.experiment.early_stopping.eta)

    def end(self, values: list[float]) -> tuple[int, halving.Outcome] | None:
        """Where a trial ends that has these values if it ends at these epochs, or None if it has to go on."""
        bars = {epoch: self.bar(epoch) for epoch in self.rungs if epoch <= len(values)}
        return halving.end_of_run(values, bars, self.max_epochs, self.objective)

    def finished(self, paths: TrialPaths) -> Card | None:
        """The card of a trial with nothing left to do; None if there is any.

        It was trained to its end and its bundle is whole, or it diverged, or it is over this budget. Whatever has no
        value of the objective, because an earlier release trained it, is to be trained again.
        """
        card = Card.read_if_whole(paths.card)
        if card is None:
            return None
        if budget.exceeded(
            self.spec.trainer.budget, card.params, card.macs, card.latency.p50_ms if card.latency else None
        ):
            return card.model_copy(update={"status": "over_budget"})
        curve = read_curve(paths.metrics)
        if self.lacks_objective(curve) or (
            not self.is_trained and self.objective.objective_metric_name not in card.metrics
        ):
            return None
        if card.status == "failed":
            return card if card.reason is not None and card.reason.startswith(DIVERGED) else None
        is_at_its_end = card.epochs == len(curve) and self.end(self.values(curve)) is not None
        return card if is_at_its_end and card.weights_sha256 is not None and not check_digests(paths.bundle) else None

    def lines(self) -> MetricLines:
        """Where the trial prints its metrics."""
        return MetricLines(self.objective, marks.names(self.spec))

    def print_stored(self, paths: TrialPaths, card: Card) -> None:
        """Print what the trial would have printed, and write its values to the rungs of this experiment."""
        lines = self.lines()
        if card.status == "over_budget":
            lines.print({self.objective.objective_metric_name: self.worst()})
            return
        curve = read_curve(paths.metrics)
        end = self.end(self.values(curve))
        self.print_again(lines, curve[: end[0] if end else len(curve)])
        log.info("already trained for %d epochs: nothing to do", card.epochs)

    def print_again(self, lines: MetricLines, curve: list[Epoch]) -> None:
        """Print the metrics of epochs that an earlier run trained, and write their values to the rungs."""
        for epoch, kept in zip(curve, self.kept(curve), strict=True):
            self.tell(lines, epoch.epoch, kept)

    def tell(self, lines: MetricLines, epoch: int, kept: Epoch) -> None:
        """Print the metrics of the weights that the trial keeps if it ends after this epoch, and mark its rung."""
        if epoch in self.rungs:
            value = kept.metrics[self.objective.objective_metric_name]
            RungValue(key=self.key, value=value).write(self.experiment.rung(epoch) / f"{self.key}.json")
        lines.print(kept.metrics, epoch)

    def worst(self) -> float:
        """The worst value on the rungs of this experiment; 0 if there is none yet."""
        values = [value for epoch in self.rungs for value in rung_values(self.experiment, epoch).values()]
        return max(values, key=self.objective.rank_key, default=0.0)

    def lacks_objective(self, curve: list[Epoch]) -> bool:
        """Whether an epoch was trained without this objective, by a release that did not know it."""
        return any(self.objective.objective_metric_name not in epoch.metrics for epoch in curve)

    def kept(self, curve: list[Epoch]) -> list[Epoch]:
        """For each epoch, the one whose weights the trial keeps if it ends there."""
        measured = [epoch.metrics[self.objective.objective_metric_name] for epoch in curve]
        return [curve[epoch - 1] for epoch in keeping.epochs(self.spec, measured)]

    def values(self, curve: list[Epoch]) -> list[float]:
        """For each epoch, the objective of those weights."""
        return [epoch.metrics[self.objective.objective_metric_name] for epoch in self.kept(curve)]


def _unmeasured(spec: Spec) -> Spec:
    """The spec of a trial that learns from the validation rows too: by its loss alone, keeping the last weights."""
    objective = Objective(type="minimize", objective_metric_name=TRAIN_LOSS)
    experiment = spec.experiment.model_copy(update={"objective": objective})
    trainer = spec.trainer.model_copy(update={"keep_weights": "last"})
    return spec.model_copy(update={"experiment": experiment, "trainer": trainer})


def rung_values(experiment: ExperimentPaths, epoch: int) -> dict[str, float]:
    """Every value on a rung, by key; records that are damaged are left out, and named in the log."""
    values: dict[str, float] = {}
    for path in sorted(experiment.rung(epoch).glob("[!.]*.json")):
        try:
            mark = RungValue.read(path)
        except FileNotFoundError:
            continue
        except TornRecord as error:
            log.warning("left out of the rung: %s", error)
        else:
            values[mark.key] = mark.value
    return values
