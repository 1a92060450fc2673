"""A trial made ready to train: its data split, its network built from the seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from atelier_store.records import ColumnStatistics, DataDescription, Environment, InputStatistics
from atelier_trial import data, own_code, own_metrics
from atelier_trial.request import Trial
from numpy.typing import NDArray
from torch import Tensor

from atelier_trainer import environment, model
from atelier_trainer.columns import Columns, noise_scale
from atelier_trainer.examples import in_order, training_examples
from atelier_trainer.folds import FoldedTraining
from atelier_trainer.training import Recipe, Rows, Training, class_weights


@dataclass(frozen=True)
class OfInputs:
    """What the manifest says of the training rows' inputs: input_statistics, or the columns' of a table."""

    input_statistics: InputStatistics | None
    column_statistics: tuple[ColumnStatistics, ...] | None = None


@dataclass(frozen=True)
class Setup:
    """What a run trains and validates with, and what its bundle says about that.

    evaluate gives the scores of a curve; validated are the trainings that they are of, each with rows that it has not
    learnt from, and numbers are those of these rows in the training arrays. The first of these rows are those to
    compare ONNX with torch on. A training that learns from the validation rows too gives no scores.
    """

    training: Training
    validated: Sequence[tuple[Training, Rows]]
    numbers: Sequence[NDArray[np.int64]]
    evaluate: Callable[[], dict[str, float]]
    of_inputs: OfInputs
    environment: Environment

    @property
    def validation(self) -> Rows:
        """The rows of the only validation, or of the first."""
        return self.validated[0][1]


def set_up(trial: Trial, device: torch.device) -> Setup:
    """Everything that a run trains with. Raises whatever a user's network raises."""
    config, description = trial.config, trial.description
    arrays = data.load(trial.request.store, description)
    parts = data.parts(arrays, description, config.validation_fraction, config.folds, config.seed)
    precision = environment.precision(device, description.kind)
    outputs = outputs_of(description, arrays.train_y)

    def rows(index: NDArray[np.int64]) -> Rows:
        x = training_examples(trial.request.store.data(description.digest), description, arrays.train_x, index)
        weight = None if arrays.train_weight is None else torch.from_numpy(arrays.train_weight[index])
        return Rows(x, torch.from_numpy(arrays.train_y[index]), weight)

    numbers = [validated for _, validated in parts.splits]
    retrains = config.retrained_epochs is not None
    learnt_from = np.sort(np.concatenate([parts.training, *numbers])) if retrains else parts.training
    arguments, of_inputs = _arguments(trial, rows(learnt_from), outputs, precision, device)
    describes = environment.describe(device, precision)
    if config.folds is None:
        training, validation = Training(*arguments), rows(numbers[0])
        evaluate = _no_scores if retrains else partial(training.evaluate, validation)
        return Setup(training, [(training, validation)], numbers, evaluate, of_inputs, describes)
    folds = [
        (Training(*_arguments(trial, rows(learnt), outputs, precision, device)[0]), rows(validated))
        for learnt, validated in parts.splits
    ]
    folded = FoldedTraining(folds, *arguments)
    return Setup(folded, folds, numbers, folded.evaluate_folds, of_inputs, describes)


def _no_scores() -> dict[str, float]:
    """What is measured of a training that has learnt from every row."""
    return {}


def _arguments(
    trial: Trial, rows: Rows, outputs: int, precision: model.Precision, device: torch.device
) -> tuple[tuple[Any, ...], OfInputs]:
    """The arguments of a Training on these rows, its network built from the seed; what the manifest says of it."""
    config, description = trial.config, trial.description
    kind, task = description.kind, description.task
    torch.manual_seed(config.seed)
    columns, statistics, of_inputs = _of_inputs(description, rows)
    network, shape = trial.request.spec.trainer.network, description.shape
    looked_at = rows.x if isinstance(rows.x, Tensor) else rows.x[:0]  # no network for pictures or series looks at them
    built = model.build(network, config.params, kind, statistics, shape, outputs, looked_at, columns).to(device)
    recipe = Recipe.of(config.params, config.seed, config.tail_epochs)
    weights = class_weights(config.class_weights, description.labels or (), rows.y)
    loss = trial.request.spec.trainer.loss
    own_loss = None if loss is None else own_code.function("trainer.loss", loss)
    metrics = own_metrics.functions(trial.request.spec.trainer)
    return (built, task, kind, rows, recipe, precision, weights, own_loss, metrics), of_inputs


def _of_inputs(description: DataDescription, rows: Rows) -> tuple[Columns | None, dict[str, Tensor], OfInputs]:
    """The columns of a table, the model's statistics, and the manifest's, of the training rows."""
    columns, kind, task, y = description.columns, description.kind, description.task, rows.y.numpy()
    if not isinstance(rows.x, Tensor):
        inputs = data.statistics_of_parts((part.numpy() for part in in_order(rows.x)), kind)
        return None, model.statistics(inputs, y, task), OfInputs(inputs)
    x = rows.x.numpy()
    if columns is None:
        inputs = data.input_statistics(x, kind)
        return None, model.statistics(inputs, y, task), OfInputs(inputs)
    statistics = model.table_statistics(noise_scale(columns, x), y, task)
    return Columns(columns, x), statistics, OfInputs(None, data.column_statistics(x, columns))


def outputs_of(description: DataDescription, y: NDArray[Any]) -> int:
    """The number of a network's outputs: of classes, or of the targets in y (N, T)."""
    return len(description.labels or ()) if description.task == "classification" else int(y.shape[1])
