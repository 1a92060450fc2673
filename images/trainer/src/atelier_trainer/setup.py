"""A trial made ready to train: its data split, its network built from the seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from atelier_store.records import ColumnStatistics, DataDescription, Environment, InputStatistics
from atelier_trial import data, own_code, own_metrics
from atelier_trial.request import Trial
from numpy.typing import NDArray
from torch import Tensor

from atelier_trainer import environment, model
from atelier_trainer.columns import Columns, noise_scale
from atelier_trainer.training import Recipe, Rows, Training, class_weights


@dataclass(frozen=True)
class OfInputs:
    """What the manifest says of the training rows' inputs: input_statistics, or the columns' of a table."""

    input_statistics: InputStatistics | None
    column_statistics: tuple[ColumnStatistics, ...] | None = None


@dataclass(frozen=True)
class Setup:
    """What a run trains and validates with, and what its bundle says about that."""

    training: Training
    validation: Rows
    of_inputs: OfInputs
    environment: Environment


def set_up(trial: Trial, device: torch.device) -> Setup:
    """Everything that a run trains with. Raises whatever a user's network raises."""
    config, description = trial.config, trial.description
    x, y, training_rows, validation_rows = data.load_split(
        trial.request.store, description, config.validation_fraction, config.seed
    )
    kind, task = description.kind, description.task
    outputs = outputs_of(description, y)
    weight = data.load(trial.request.store, description).train_weight
    rows, validation = (
        Rows(
            torch.from_numpy(x[index]),
            torch.from_numpy(y[index]),
            None if weight is None else torch.from_numpy(weight[index]),
        )
        for index in (training_rows, validation_rows)
    )
    torch.manual_seed(config.seed)
    columns, statistics, of_inputs = _of_inputs(description, rows.x.numpy(), rows.y.numpy())
    network, shape = trial.request.spec.trainer.network, description.shape
    built = model.build(network, config.params, kind, statistics, shape, outputs, rows.x, columns).to(device)
    precision = environment.precision(device, kind)
    recipe = Recipe.of(config.params, config.seed, config.tail_epochs)
    weights = class_weights(config.class_weights, description.labels or (), rows.y)
    loss = trial.request.spec.trainer.loss
    own_loss = None if loss is None else own_code.function("trainer.loss", loss)
    metrics = own_metrics.functions(trial.request.spec.trainer)
    training = Training(built, task, kind, rows, recipe, precision, weights, own_loss, metrics)
    return Setup(training, validation, of_inputs, environment.describe(device, precision))


def _of_inputs(
    description: DataDescription, x: NDArray[Any], y: NDArray[Any]
) -> tuple[Columns | None, dict[str, Tensor], OfInputs]:
    """The columns of a table, the model's statistics, and the manifest's, of the training rows."""
    columns, task = description.columns, description.task
    if columns is None:
        inputs = data.input_statistics(x, description.kind)
        return None, model.statistics(inputs, y, task), OfInputs(inputs)
    statistics = model.table_statistics(noise_scale(columns, x), y, task)
    return Columns(columns, x), statistics, OfInputs(None, data.column_statistics(x, columns))


def outputs_of(description: DataDescription, y: NDArray[Any]) -> int:
    """The number of a network's outputs: of classes, or of the targets in y (N, T)."""
    return len(description.labels or ()) if description.task == "classification" else int(y.shape[1])
