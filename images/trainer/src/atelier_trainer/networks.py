"""The built-in networks: a stem, up to four stages of one operation each, a linear head. Convolutional in 1-D and 2-D, dense for rows.

Operations: plain and residual convolutions (He et al. 2016), depthwise separable convolutions (Chollet 2017), inverted bottlenecks
(Sandler et al. 2018), squeeze-and-excitation (Hu et al. 2018), gated linear units (Dauphin et al. 2017). This file's digest is in every
key: an edit makes other networks.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "silu": nn.SiLU, "gelu": nn.GELU, "hardswish": nn.Hardswish}
CONVOLUTION: dict[int, Any] = {1: nn.Conv1d, 2: nn.Conv2d}
NORMALISATION: dict[int, Any] = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d}
MAX_POOL: dict[int, Any] = {1: nn.MaxPool1d, 2: nn.MaxPool2d}


def build(params: dict[str, Any], input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """A network for inputs of shape (N, *input_shape): (C, H, W), (C, L) or (F,); it gives (N, outputs)."""
    if len(input_shape) == 1:
        return DenseNetwork(params, input_shape[0], outputs)
    return ConvolutionalNetwork(params, input_shape, outputs)


class ConvolutionalNetwork(nn.Module):
    """Stem, stages, pooled head; every stage with stride 2 halves what it gets by max pooling."""

    def __init__(self, params: dict[str, Any], input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        dims = len(input_shape) - 1
        activation = ACTIVATIONS[params["activation"]]
        width = params["stem_width"]
        layers: list[nn.Module] = [convolution(dims, input_shape[0], width, 3), activation()]
        for stage in params["stages"]:
            if stage["stride"] == 2:
                layers.append(MAX_POOL[dims](2, ceil_mode=True))
            for _ in range(stage["depth"]):
                layers.append(Block(dims, width, stage["width"], stage["op"], activation, params["se"]))
                width = stage["width"]
        self.features = nn.Sequential(*layers)
        self.head = params["head"]
        self.dropout = nn.Dropout(params["dropout"])
        self.classifier = nn.Linear(width * (2 if self.head == "avgmax" else 1), outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x).flatten(2)
        pooled = {
            "avg": lambda: x.mean(2),
            "max": lambda: x.amax(2),
            "avgmax": lambda: torch.cat([x.mean(2), x.amax(2)], 1),
        }[self.head]()
        return cast(Tensor, self.classifier(self.dropout(pooled)))


class Block(nn.Module):
    """One operation, with an identity shortcut where the width stays (res3 projects where it does not)."""

    def __init__(self, dims: int, inputs: int, width: int, op: str, activation: type[nn.Module], se: bool) -> None:
        super().__init__()
        self.body = operation(dims, inputs, width, op, activation)
        self.se = SqueezeExcitation(width) if se else nn.Identity()
        projects = op == "res3" and inputs != width
        self.shortcut = convolution(dims, inputs, width, 1) if projects else nn.Identity()
        self.has_shortcut = projects or inputs == width
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        y = self.se(self.body(x))
        return cast(Tensor, self.activation(y + self.shortcut(x) if self.has_shortcut else y))


def operation(dims: int, inputs: int, width: int, op: str, activation: type[nn.Module]) -> nn.Module:
    """The body of a block: from inputs to width channels at the same size, its last activation left to the block."""
    kernel = int(op[-1])
    if op.startswith("conv"):
        return convolution(dims, inputs, width, kernel)
    if op.startswith("res"):
        return nn.Sequential(convolution(dims, inputs, width, kernel), activation(), convolution(dims, width, width, kernel))
    if op.startswith("sep"):
        return nn.Sequential(convolution(dims, inputs, inputs, kernel, inputs), activation(), convolution(dims, inputs, width, 1))
    inner = 3 * inputs
    expand = [convolution(dims, inputs, inner, 1), activation()]
    return nn.Sequential(*expand, convolution(dims, inner, inner, kernel, inner), activation(), convolution(dims, inner, width, 1))


def convolution(dims: int, inputs: int, width: int, kernel: int, groups: int = 1) -> nn.Module:
    """Convolution at the same size, then batch normalisation."""
    return nn.Sequential(
        CONVOLUTION[dims](inputs, width, kernel, padding=kernel // 2, groups=groups, bias=False),
        NORMALISATION[dims](width),
    )


class SqueezeExcitation(nn.Module):
    """Scales each channel by what all channels say on average; reduction 4."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.reduce = nn.Linear(width, max(width // 4, 4))
        self.expand = nn.Linear(max(width // 4, 4), width)

    def forward(self, x: Tensor) -> Tensor:
        scale = torch.sigmoid(self.expand(functional.relu(self.reduce(x.flatten(2).mean(2)))))
        return x * scale.reshape(*scale.shape, *([1] * (x.dim() - 2)))


class DenseNetwork(nn.Module):
    """Stem, stages of dense layers, linear head."""

    def __init__(self, params: dict[str, Any], inputs: int, outputs: int) -> None:
        super().__init__()
        activation = ACTIVATIONS[params["activation"]]
        width = params["stem_width"]
        layers: list[nn.Module] = [dense(inputs, width), activation()]
        for stage in params["stages"]:
            for _ in range(stage["depth"]):
                layers.append(DenseBlock(width, stage["width"], stage["op"], activation, params["dropout"]))
                width = stage["width"]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.classifier(self.features(x)))


class DenseBlock(nn.Module):
    """A dense layer, a residual pair or a gated unit, then dropout."""

    def __init__(self, inputs: int, width: int, op: str, activation: type[nn.Module], dropout: float) -> None:
        super().__init__()
        self.op = op
        if op == "residual":
            self.body: nn.Module = nn.Sequential(dense(inputs, width), activation(), dense(width, width))
            self.shortcut: nn.Module = nn.Identity() if inputs == width else nn.Linear(inputs, width)
        else:
            self.body = dense(inputs, 2 * width if op == "gated" else width)
        self.activation = activation()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        if self.op == "gated":
            return cast(Tensor, self.dropout(functional.glu(y)))
        if self.op == "residual":
            y = y + self.shortcut(x)
        return cast(Tensor, self.dropout(self.activation(y)))


def dense(inputs: int, width: int) -> nn.Module:
    """Linear layer, then batch normalisation."""
    return nn.Sequential(nn.Linear(inputs, width, bias=False), nn.BatchNorm1d(width))
