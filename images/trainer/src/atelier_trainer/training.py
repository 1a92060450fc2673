"""Training of one model, epoch by epoch. No epoch depends on how many follow; every batch follows from the seed."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from atelier_store.scores import OwnMetrics, scores
from atelier_store.spec import ClassWeights, Kind, Task
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from atelier_trainer import photos
from atelier_trainer.augment import augment
from atelier_trainer.examples import Examples, batches, in_order
from atelier_trainer.model import Answer, Model, Precision
from atelier_trainer.optimizer import AveragedAdamW
from atelier_trainer.photos import UNCHANGED, PhotoRecipe


class Stopped(Exception):
    """Training stopped between two batches, as requested."""


@dataclass(frozen=True)
class Rows:
    """Raw examples x and their y (class numbers, labels (N, T), or targets (N, T)), and weights (N,) if any."""

    x: Examples
    y: Tensor
    weight: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def weights(self) -> NDArray[np.float32] | None:
        """The weights as an array."""
        return None if self.weight is None else self.weight.numpy()


@dataclass(frozen=True)
class Recipe:
    """What training depends on beside data and network. In a tail, the learning rate falls to zero over tail_epochs."""

    lr: float
    weight_decay: float
    batch: int
    augment: str
    label_smoothing: float
    seed: int
    tail_epochs: int | None = None
    photos: PhotoRecipe = UNCHANGED

    @classmethod
    def of(cls, params: dict[str, Any], seed: int, tail_epochs: int | None) -> Recipe:
        """The recipe in a trial's canonical params."""
        smoothing = params.get("label_smoothing", 0.0)
        lr, weight_decay, batch, name = (params[key] for key in ("lr", "weight_decay", "batch", "augment"))
        return cls(lr, weight_decay, batch, name, smoothing, seed, tail_epochs, PhotoRecipe.of(params))


def balanced(y: Tensor, classes: int) -> Tensor:
    """A weight per class by which all classes among the class numbers y weigh the same, and a row weighs 1 on average.

    They are those of scikit-learn's compute_class_weight for "balanced"; a class without rows has the weight 0.
    """
    counts = torch.bincount(y, minlength=classes)
    weights = len(y) / (counts.count_nonzero() * counts)
    return torch.where(counts > 0, weights, 0.0)


def class_weights(chosen: ClassWeights, labels: Sequence[str], y: Tensor) -> Tensor | None:
    """A weight for each of the classes, by the class numbers y where they are balanced; None if they weigh the same."""
    if isinstance(chosen, dict):
        return torch.tensor([chosen.get(label, 1.0) for label in labels])
    return balanced(y, len(labels)) if chosen == "balanced" else None


def _scalar(loss: object) -> Tensor:
    if not isinstance(loss, Tensor) or loss.dim() != 0:
        found = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise TypeError(f"trainer.loss returned {found}; allowed: a scalar tensor, such as a mean")
    return loss


def of_mean_one(weight: Tensor | None) -> Tensor | None:
    """Weights with a mean of 1. ValueError if all are 0."""
    if weight is None:
        return None
    mean = weight.double().mean()
    if not mean > 0:
        raise ValueError("trainer.data.weight: every row to train on weighs 0; allowed: more")
    return (weight / mean).float()


class Training:
    """A training that can be interrupted after any batch and resumed with the same result.

    class_weights are those of the classes in the loss of training; None: all are 1. Weights of rows are in it as shares
    of their mean, so that their unit does not count. own_loss takes the loss's place: it is given scores (N, outputs)
    and y, class numbers (N,) or standardised targets (N, outputs), and returns a scalar.
    """

    def __init__(
        self,
        model: Model,
        task: Task,
        kind: Kind,
        rows: Rows,
        recipe: Recipe,
        precision: Precision,
        class_weights: Tensor | None = None,
        own_loss: Callable[[Tensor, Tensor], Tensor] | None = None,
        own_metrics: OwnMetrics = MappingProxyType({}),
    ) -> None:
        self.model = model
        self.task: Task = task
        self.kind: Kind = kind
        self.rows = rows
        self.recipe = recipe
        self.precision = precision
        self.optimizer = AveragedAdamW(model, recipe.weight_decay)
        self.device = self.optimizer.flat.vector.device
        self.class_weights = None if class_weights is None else class_weights.to(self.device)
        self.own_loss = own_loss
        self.own_metrics = own_metrics
        self.row_weights = of_mean_one(rows.weight)
        self.batch = min(recipe.batch, len(rows))
        self.batches = len(rows) // self.batch
        self.warmup = min(self.batches, 300)
        self.epoch = 0
        self.position = 0
        self.loss_sum = 0.0

    def train_epoch(self, should_stop: Callable[[], bool]) -> float:
        """Train to the end of the current or a new epoch; the mean loss. Stopped if should_stop() after a batch."""
        self.model.train()
        order = torch.randperm(len(self.rows), generator=self._generator("order"))
        starts = range(self.position * self.batch, self.batches * self.batch, self.batch)
        with closing(batches(self.rows.x, (order[start : start + self.batch] for start in starts))) as read:
            for index, x in read:
                self.loss_sum += self._train_batch(index, x)
                self.position += 1
                if should_stop():
                    raise Stopped
        loss = self.loss_sum / self.batches
        self.epoch, self.position, self.loss_sum = self.epoch + 1, 0, 0.0
        return loss

    def _train_batch(self, index: Tensor, x: Tensor) -> float:
        generator = self._generator("batch", self.position)
        self._seed(self._number("dropout", self.position))
        raw = augment(x, self.recipe.augment, generator, self.model.scale.cpu())
        raw = photos.change(raw, self.recipe.photos, lambda purpose: self._generator(purpose, self.position))
        raw, mixed = photos.mix(raw, self.recipe.photos, self._number("mix", self.position))
        raw, y = raw.to(self.device), self.rows.y[index]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            scores = self.model(raw)
        weight = None if self.row_weights is None else self.row_weights[index]
        loss = self._batch_loss(scores.float(), y, weight)
        if mixed is not None:
            others = None if weight is None else weight[mixed.order]
            loss = mixed.share * loss + (1 - mixed.share) * self._batch_loss(scores.float(), y[mixed.order], others)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
        self.optimizer.step(self.learning_rate())
        return loss.item()

    def _seed(self, number: int) -> None:
        """Seed what the network draws from, as torch.manual_seed does.

        That asks for every other kind of device too, which takes 0.1 ms of each batch.
        """
        if self.device.type == "cpu":
            torch.default_generator.manual_seed(number)
        else:
            torch.manual_seed(number)

    def _batch_loss(self, scores: Tensor, y: Tensor, weight: Tensor | None) -> Tensor:
        """The loss, with y and weight of rows where the scores are."""
        return self.loss(scores, y.to(self.device), None if weight is None else weight.to(self.device))

    def learning_rate(self) -> float:
        """Constant after a linear warm-up; in a tail, half a cosine down to zero."""
        if self.recipe.tail_epochs is not None:
            done = (self.epoch * self.batches + self.position) / (self.recipe.tail_epochs * self.batches)
            return self.recipe.lr * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
        return self.recipe.lr * min(1.0, (self.optimizer.steps + 1) / self.warmup)

    def loss(self, scores: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
        """The user's own loss; or cross-entropy with label smoothing and class weights; or the mean squared error.

        Of labels, it is the mean of their binary cross-entropies.

        Of an ensemble's scores (N, members, outputs), it is the mean of the members' losses. Targets of a regression
        are standardised. weight (N,) is that of the rows. TypeError if the user's own is no scalar.
        """
        if scores.dim() == 3:
            y = y.repeat_interleave(scores.shape[1], dim=0)
            weight = None if weight is None else weight.repeat_interleave(scores.shape[1], dim=0)
            scores = scores.flatten(0, 1)
        if self.task == "regression":
            y = (y - self.model.target_mean) / self.model.target_scale
        if self.own_loss is not None:
            return _scalar(self.own_loss(scores, y))
        if weight is not None:
            return (weight * self._loss_of_rows(scores, y)).mean()
        if self.task == "multilabel":
            return functional.binary_cross_entropy_with_logits(scores, y)
        if self.task == "classification" and self.class_weights is None:
            return functional.cross_entropy(scores, y, label_smoothing=self.recipe.label_smoothing)
        if self.task == "classification":
            # torch's mean divides by the weights in the batch, which undoes them where a batch has one class
            total = functional.cross_entropy(
                scores, y, self.class_weights, label_smoothing=self.recipe.label_smoothing, reduction="sum"
            )
            return total / len(y)
        return functional.mse_loss(scores, y)

    def _loss_of_rows(self, scores: Tensor, y: Tensor) -> Tensor:
        """The loss of each row (N,)."""
        if self.task == "regression":
            return functional.mse_loss(scores, y, reduction="none").mean(1)
        if self.task == "multilabel":
            return functional.binary_cross_entropy_with_logits(scores, y, reduction="none").mean(1)
        smoothing = self.recipe.label_smoothing
        return functional.cross_entropy(scores, y, self.class_weights, label_smoothing=smoothing, reduction="none")

    def evaluate(self, rows: Rows) -> dict[str, float]:
        """Scores of the averaged weights, in float32, under the names that begin with val_."""
        return scores(self.task, self.answers(rows.x), rows.y.numpy(), "val", rows.weights, self.own_metrics)

    def answers(self, x: Examples) -> NDArray[np.float32]:
        """The averaged weights' answers to raw x: probabilities (N, classes) or targets (N, T)."""
        answer = Answer(self.averaged, self.task).eval()
        with torch.inference_mode():
            return torch.cat([answer(part.to(self.device)).cpu() for part in in_order(x)]).numpy()

    @property
    def steps(self) -> int:
        """Batches that have been trained on, those of a tail's parent among them."""
        return self.optimizer.steps

    @property
    def batches_of_epoch(self) -> int:
        """Batches of every epoch."""
        return self.batches

    @property
    def batches_done(self) -> int:
        """Those of the epoch under way that have been trained on."""
        return self.position

    @property
    def has_begun(self) -> bool:
        """Whether a batch has been trained on, of a tail after its parent's."""
        return self.epoch > 0 or self.position > 0

    @property
    def averaged(self) -> Model:
        """The model with averaged weights."""
        return self.optimizer.average  # type: ignore[return-value]  # a deep copy of self.model

    def averaged_state(self) -> dict[str, Any]:
        """A copy of the averaged weights as they are now, to go back to."""
        return self.optimizer.averaged_state()

    def load_averaged_state(self, state: dict[str, Any]) -> None:
        """Answer with the averaged weights of an earlier epoch; the training itself could not go on from them."""
        self.optimizer.load_averaged_state(state)

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on after the batch just done."""
        return {
            "epoch": self.epoch,
            "position": self.position,
            "loss_sum": self.loss_sum,
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state_dict."""
        self.epoch, self.position, self.loss_sum = state["epoch"], state["position"], state["loss_sum"]
        self.optimizer.load_state_dict(state["optimizer"])

    def begin_tail(self, parent: dict[str, Any]) -> None:
        """Start from a parent's state: its weights, moments and average, at epoch 0 of the tail."""
        self.optimizer.load_state_dict(parent["optimizer"])

    def _number(self, purpose: str, *at: int) -> int:
        tail = "" if self.recipe.tail_epochs is None else f"tail{self.recipe.tail_epochs}"
        name = f"{self.recipe.seed}/{tail}/{purpose}/{self.epoch}/{'/'.join(map(str, at))}"
        return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1

    def _generator(self, purpose: str, *at: int) -> torch.Generator:
        return torch.Generator().manual_seed(self._number(purpose, *at))
