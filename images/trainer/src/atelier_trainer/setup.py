"""A trial made ready to train: its data split, its network built from the seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from atelier_store.records import ColumnStatistics, DataDescription, Environment, InputStatistics
from atelier_trial import data, own_code
from atelier_trial.request import Trial
from numpy.typing import NDArray
from torch import Tensor

from atelier_trainer import environment, model
from atelier_trainer.columns import Columns, noise_scale
from atelier_trainer.examples import in_order, training_examples
from atelier_trainer.training import Recipe, Rows, Training, balanced


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
    paths = trial.request.store.data(description.digest)
    rows, validation = (
        Rows(training_examples(paths, description, x, index), torch.from_numpy(y[index]))
        for index in (training_rows, validation_rows)
    )
    torch.manual_seed(config.seed)
    columns, statistics, of_inputs = _of_inputs(description, rows)
    network, shape = trial.request.spec.trainer.network, description.shape
    looked_at = rows.x if isinstance(rows.x, Tensor) else rows.x[:0]  # no network for pictures or series looks at them
    built = model.build(network, config.params, kind, statistics, shape, outputs, looked_at, columns).to(device)
    precision = environment.precision(device, kind)
    recipe = Recipe.of(config.params, config.seed, config.tail_epochs)
    weights = balanced(rows.y, outputs) if config.class_weights == "balanced" else None
    loss = trial.request.spec.trainer.loss
    own_loss = None if loss is None else own_code.function("trainer.loss", loss)
    training = Training(built, task, kind, rows, recipe, precision, weights, own_loss)
    return Setup(training, validation, of_inputs, environment.describe(device, precision))


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
