"""A trial made ready to train: its data split, its network built from the seed, and what that network costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from atelier_store import budget
from atelier_store.records import ColumnStatistics, DataDescription, Environment, InputStatistics, Latency
from atelier_store.spec import Budget
from atelier_trial import data, network_code
from atelier_trial.request import Trial
from numpy.typing import NDArray
from torch import Tensor

from atelier_trainer import environment, export, model
from atelier_trainer.columns import Columns, noise_scale
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


@dataclass(frozen=True)
class Cost:
    """What a network costs; latency is None while it is not measured."""

    params: int
    macs: int
    latency: Latency | None

    def over(self, bounds: Budget) -> list[str]:
        """One line for every bound that is exceeded."""
        return budget.exceeded(bounds, self.params, self.macs, self.latency.p50_ms if self.latency else None)


def set_up(trial: Trial, device: torch.device) -> Setup:
    """Everything that a run trains with. Raises whatever a user's network raises."""
    config, description = trial.config, trial.description
    x, y, training_rows, validation_rows = data.load_split(
        trial.request.store, description, config.validation_fraction, config.seed
    )
    kind, task = description.kind, description.task
    outputs = len(description.labels or ()) if task == "classification" else y.shape[1]
    rows, validation = (
        Rows(torch.from_numpy(x[index]), torch.from_numpy(y[index])) for index in (training_rows, validation_rows)
    )
    torch.manual_seed(config.seed)
    columns, statistics, of_inputs = _of_inputs(description, rows.x.numpy(), rows.y.numpy())
    network, shape = trial.request.spec.trainer.network, description.shape
    built = model.build(network, config.params, kind, statistics, shape, outputs, rows.x, columns).to(device)
    precision = environment.precision(device, kind)
    recipe = Recipe.of(config.params, config.seed, config.tail_epochs)
    weights = balanced(rows.y, outputs) if config.class_weights == "balanced" else None
    loss = trial.request.spec.trainer.loss
    own_loss = None if loss is None else network_code.function("trainer.loss", loss)
    training = Training(built, task, kind, rows, recipe, precision, weights, own_loss)
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


def cost_of(built: model.Model, trial: Trial) -> Cost:
    """What the network costs; its latency is measured only if the budget bounds it."""
    description = trial.description
    dtype = torch.uint8 if description.kind == "images" else torch.float32
    example = torch.zeros((1, *description.shape), dtype=dtype)
    latency = None
    if trial.request.spec.trainer.budget.latency_ms is not None:
        onnx = export.to_onnx(built, description.task, example, description.columns)
        latency = export.measure_latency(onnx, export.inputs(example.numpy(), description.columns))
    device = next(built.parameters()).device
    return Cost(model.count_params(built), model.count_macs(built, example.to(device)), latency)
