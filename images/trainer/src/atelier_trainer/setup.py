"""A trial made ready to train: its data split, its network built from the seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from atelier_store.records import DataDescription, Environment, InputStatistics
from atelier_trial import data
from atelier_trial.request import Trial
from numpy.typing import NDArray

from atelier_trainer import environment, model
from atelier_trainer.training import Recipe, Rows, Training, balanced


@dataclass(frozen=True)
class Setup:
    """What a run trains and validates with, and what its bundle says about that."""

    training: Training
    validation: Rows
    input_statistics: InputStatistics
    environment: Environment


def set_up(trial: Trial, device: torch.device) -> Setup:
    """Everything that a run trains with. Raises whatever a user's network raises."""
    config, description = trial.config, trial.description
    x, y, training_rows, validation_rows = data.load_split(
        trial.request.store, description, config.validation_fraction, config.seed
    )
    kind, task = description.kind, description.task
    outputs = outputs_of(description, y)
    input_statistics = data.input_statistics(x[training_rows], kind)
    torch.manual_seed(config.seed)
    built = model.build(
        trial.request.spec.trainer.network,
        config.params,
        kind,
        model.statistics(input_statistics, y[training_rows], task),
        description.shape,
        outputs,
    ).to(device)
    precision = environment.precision(device, kind)
    recipe = Recipe.of(config.params, config.seed, config.tail_epochs)
    rows, validation = (
        Rows(torch.from_numpy(x[index]), torch.from_numpy(y[index])) for index in (training_rows, validation_rows)
    )
    weights = balanced(rows.y, outputs) if config.class_weights == "balanced" else None
    training = Training(built, task, kind, rows, recipe, precision, weights)
    return Setup(training, validation, input_statistics, environment.describe(device, precision))


def outputs_of(description: DataDescription, y: NDArray[Any]) -> int:
    """The number of a network's outputs: of classes, or of the targets in y (N, T)."""
    return len(description.labels or ()) if description.task == "classification" else int(y.shape[1])
