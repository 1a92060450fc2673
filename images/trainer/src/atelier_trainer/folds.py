"""A training with folds: one network for each, to be scored, and one of all rows, to be served; epoch by epoch."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from atelier_store.scores import mean_scores

from atelier_trainer.training import Rows, Training

log = logging.getLogger("atelier.trial")


class FoldedTraining(Training):
    """The training of a network on all rows, with one on the rows of each fold beside it.

    They go through an epoch one after the other, the one on all rows last, so that after each epoch there are scores of
    rows that nobody has learnt from, and a network to serve. Weights, answers and position are those of the last one.
    """

    def __init__(self, folds: Sequence[tuple[Training, Rows]], *arguments: Any) -> None:
        """Folds are trainings, each with its validation rows; arguments are those of a Training on all rows."""
        super().__init__(*arguments)
        self.folds = folds
        self.losses: list[float] = []  # of the folds that are through the epoch under way

    def train_epoch(self, should_stop: Callable[[], bool]) -> float:
        """As a Training does; the loss is the mean over the folds."""
        for training, _ in self.folds[len(self.losses) :]:
            self.losses.append(training.train_epoch(should_stop))
        own = super().train_epoch(should_stop)
        losses, self.losses = self.losses, []
        return fmean(losses) if math.isfinite(own) else own

    def evaluate_folds(self) -> dict[str, float]:
        """The mean over the folds of each one's scores on its own validation rows; the log has their range."""
        each = [training.evaluate(validation) for training, validation in self.folds]
        means = mean_scores(each)
        ranges = (f"{name} {min(values):.4g} to {max(values):.4g}" for name, values in _by_name(each, means).items())
        log.info("of %d folds: %s", len(each), ", ".join(ranges))
        return means

    @property
    def steps(self) -> int:
        return super().steps + sum(training.steps for training, _ in self.folds)

    @property
    def batches_of_epoch(self) -> int:
        return super().batches_of_epoch + sum(training.batches for training, _ in self.folds)

    @property
    def batches_done(self) -> int:
        done = sum(training.batches for training, _ in self.folds[: len(self.losses)])
        return super().batches_done + done + sum(training.position for training, _ in self.folds)

    @property
    def has_begun(self) -> bool:
        return super().has_begun or any(training.has_begun for training, _ in self.folds)

    def averaged_state(self) -> dict[str, Any]:
        return {**super().averaged_state(), "folds": [training.averaged_state() for training, _ in self.folds]}

    def load_averaged_state(self, state: dict[str, Any]) -> None:
        super().load_averaged_state(state)
        for (training, _), own in zip(self.folds, state["folds"], strict=True):
            training.load_averaged_state(own)

    def state_dict(self) -> dict[str, Any]:
        folds = [training.state_dict() for training, _ in self.folds]
        return {**super().state_dict(), "folds": folds, "losses": list(self.losses)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.losses = list(state["losses"])
        for (training, _), own in zip(self.folds, state["folds"], strict=True):
            training.load_state_dict(own)

    def begin_tail(self, parent: dict[str, Any]) -> None:
        super().begin_tail(parent)
        for (training, _), own in zip(self.folds, parent["folds"], strict=True):
            training.begin_tail(own)


def _by_name(each: Sequence[dict[str, float]], names: dict[str, float]) -> dict[str, list[float]]:
    return {name: [scores[name] for scores in each] for name in names}
