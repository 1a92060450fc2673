"""A network with its preprocessing and postprocessing: what is trained is what is exported."""

from __future__ import annotations

from typing import Any, Literal, cast

import numpy as np
import torch
from atelier_store.records import InputStatistics
from atelier_store.spec import Kind, Task, has_channels
from atelier_trial import space
from atelier_trial.space import BUILT_IN, user_function
from numpy.typing import NDArray
from torch import Tensor, nn

from atelier_trainer import auto_bins, networks, row_networks
from atelier_trainer.columns import Columns
from atelier_trainer.linear_scaling import LinearColumns, LinearScaling

Precision = Literal["float32", "bfloat16"]


class Model(nn.Module):
    """Raw input (uint8 images (N, H, W[, C]), float signals (N, L[, C]) or rows (N, F)) to scores (N, outputs).

    Scores of an ensemble are (N, members, outputs). mean and scale are those of the training rows, per channel or
    feature; target_mean and target_scale turn scores of a regression into targets. The features of a table go through
    columns instead; their scale is then that of noise.
    """

    mean: Tensor
    scale: Tensor
    target_mean: Tensor
    target_scale: Tensor

    def __init__(
        self,
        network: nn.Module,
        kind: Kind,
        has_channels: bool,
        statistics: dict[str, Tensor],
        columns: Columns | LinearColumns | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.columns = columns
        self.kind = kind
        self.has_channels = has_channels
        for name, value in statistics.items():
            self.register_buffer(name, value)

    def forward(self, raw: Tensor) -> Tensor:
        if self.columns is not None:
            return cast(Tensor, self.network(self.columns(raw)))
        x = (raw.float() - self.mean) / self.scale
        if self.kind != "rows":
            x = x.permute(0, x.dim() - 1, *range(1, x.dim() - 1)) if self.has_channels else x.unsqueeze(1)
        if self.kind == "images" and not torch.onnx.is_in_onnx_export():
            x = x.contiguous(memory_format=torch.channels_last)
        return cast(Tensor, self.network(x))


class Answer(nn.Module):
    """The model as it is served: probabilities, or targets in their own unit; the mean of an ensemble."""

    def __init__(self, model: Model, task: Task) -> None:
        super().__init__()
        self.model = model
        self.task = task

    def forward(self, raw: Tensor) -> Tensor:
        scores: Tensor = self.model(raw)
        if self.task == "classification":
            answers = torch.softmax(scores, dim=scores.dim() - 1)
        elif self.task == "multilabel":
            answers = torch.sigmoid(scores)
        else:
            answers = scores * self.model.target_scale + self.model.target_mean
        return answers.mean(1) if answers.dim() == 3 else answers


def build(
    network: str,
    params: dict[str, Any],
    kind: Kind,
    statistics: dict[str, Tensor],
    shape: tuple[int, ...],
    outputs: int,
    rows: Tensor,
    columns: Columns | None = None,
) -> Model:
    """An untrained model for raw examples of this shape; the caller has seeded torch.

    rows are the training rows; of a table their features, which go through its columns.
    """
    ends_with_channels = has_channels(kind, shape)
    if kind == "rows":
        input_shape: tuple[int, ...] = shape if columns is None else (columns.width,)
    else:
        input_shape = (shape[-1], *shape[:-1]) if ends_with_channels else (1, *shape)
    if network == BUILT_IN and space.needs_row_networks(params):
        return _of_rows(params, statistics, input_shape[0], outputs, rows, columns)
    if network == BUILT_IN:
        body = networks.build(params, input_shape, outputs)
    else:
        training = space.training_domains(kind, "classification")
        body = user_function(network)(
            input_shape=input_shape, outputs=outputs, **{k: v for k, v in params.items() if k not in training}
        )
    return Model(body, kind, ends_with_channels, statistics, columns)


def _of_rows(
    params: dict[str, Any],
    statistics: dict[str, Tensor],
    inputs: int,
    outputs: int,
    rows: Tensor,
    columns: Columns | None,
) -> Model:
    """A model whose network is one of `row_networks`, which are given what linear scaling makes of numbers."""
    is_linear = params.get("scaling") == "linear"
    front = LinearColumns(columns) if is_linear and columns is not None else columns
    with torch.no_grad():
        given = (rows - statistics["mean"]) / statistics["scale"] if front is None else front(rows)
        scaling = LinearScaling(given.numpy()) if is_linear and front is None else None
        scaled = given if scaling is None else scaling(given)
    numbers = None if front is None else front.numbers
    builder = auto_bins if params.get("embedding") == "piecewise_auto" else row_networks
    body: nn.Module = builder.build(params, inputs, outputs, scaled.numpy(), numbers)
    return Model(body if scaling is None else nn.Sequential(scaling, body), "rows", False, statistics, front)


def statistics(inputs: InputStatistics, y: NDArray[Any], task: Task) -> dict[str, Tensor]:
    """Mean and scale of training inputs, per channel or feature, and of regression targets y; float32."""
    std = np.array(inputs.std)
    return _statistics(np.array(inputs.mean), np.where(std > 0, std, 1.0), y, task)


def table_statistics(scale: NDArray[np.float32], y: NDArray[Any], task: Task) -> dict[str, Tensor]:
    """The same of a table, whose features are scaled by its columns: scale (F,) is that of noise."""
    return _statistics(np.zeros(1), scale, y, task)


def _statistics(mean: NDArray[Any], scale: NDArray[Any], y: NDArray[Any], task: Task) -> dict[str, Tensor]:
    values = {"mean": mean, "scale": scale}
    if task == "regression":
        spread = y.std(0, dtype=np.float64)
        values |= {"target_mean": y.mean(0, dtype=np.float64), "target_scale": np.where(spread > 0, spread, 1.0)}
    else:
        values |= {"target_mean": np.zeros(1), "target_scale": np.ones(1)}
    return {name: torch.from_numpy(np.atleast_1d(value).astype(np.float32)) for name, value in values.items()}


def count_params(model: nn.Module) -> int:
    """Trainable parameters."""
    return sum(p.numel() for p in trainable(model))


def trainable(module: nn.Module) -> list[nn.Parameter]:
    """The parameters that training changes: a frozen one is a constant of the network."""
    return [p for p in module.parameters() if p.requires_grad]


def count_macs(model: nn.Module, example: Tensor) -> int:
    """Multiply-accumulates of convolutions and linear layers for one example (1, *shape).

    Batch normalisation is passed over: it changes no shape, and on the meta device it would take half of the time.
    """
    total = 0

    def count(module: nn.Module, _: Any, output: Tensor) -> None:
        nonlocal total
        weight = cast(Tensor, module.weight)
        total += output.numel() * weight[0].numel()

    layers = [m for m in model.modules() if isinstance(m, (nn.Linear, nn.modules.conv._ConvNd))]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    was_training = model.training
    try:
        for norm in norms:
            norm.forward = lambda input: input  # type: ignore[method-assign]  # of this one alone, until below
        with torch.inference_mode():
            model.eval()(example)
    finally:
        for norm in norms:
            del norm.forward
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return total
