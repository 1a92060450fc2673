"""Scores of an untrained network that tell, before anything is trained, which networks are likely to become good.

Each is a number; more is better. What cannot be scored raises ValueError, or whatever a user's network raises.
"""

from __future__ import annotations

import copy
import math
from typing import cast

import torch
from torch import Tensor, nn

from atelier_trainer.model import Model, trainable

ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SiLU, nn.GELU, nn.Hardswish, nn.Mish)
"""Their output is positive where their input is."""

RIDGE = 1e-3
"""Added to the diagonal of naswot's matrix, so that two equal examples do not make it singular."""


def synflow(built: Model, examples: Tensor) -> float:
    """How much of an input of ones flows through all weights: log of the sum of |weight x gradient|.

    With absolute weights, in evaluation mode and float64, as in Tanaka et al. 2020, Pruning neural networks without any
    data by iteratively conserving synaptic flow; as a score of networks in Abdelfattah et al. 2021, Zero-Cost Proxies
    for Lightweight NAS. examples (N, *shape) give the shape that reaches the network.
    """
    shape = _input_shape(built, examples[:1])
    network = copy.deepcopy(built.network).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    scores: Tensor = network(torch.ones(1, *shape, dtype=torch.float64))
    scores.sum().backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
    flows = [(p.detach() * p.grad).abs().sum().item() for p in trainable(network) if p.grad is not None]
    return _log(math.fsum(flows))


def naswot(built: Model, examples: Tensor) -> float:
    """How differently the activations tell examples (N, *shape) apart: log |K|, K counting equal signs of two examples.

    Mellor et al. 2021, Neural Architecture Search without Training. Batch normalisation takes the examples' own
    statistics, as in training; nothing is dropped.
    """
    count = len(examples)
    kernel = RIDGE * torch.eye(count, dtype=torch.float64)
    layers = 0

    def compare(_: nn.Module, __: object, output: Tensor) -> None:
        nonlocal kernel, layers
        if len(output) == count:
            positive = (output.flatten(1) > 0).float()
            kernel = kernel + (positive @ positive.T + (1 - positive) @ (1 - positive).T).double()
            layers += 1

    network = copy.deepcopy(built).train()
    for module in network.modules():
        if isinstance(module, ACTIVATIONS):
            module.register_forward_hook(compare)
        elif isinstance(module, nn.modules.dropout._DropoutNd):
            module.eval()
    with torch.no_grad():
        network(examples)
    if not layers:
        raise ValueError("it has no activation module, such as torch.nn.ReLU, whose signs could be compared")
    return _finite(torch.linalg.slogdet(kernel)[1].item())


def _input_shape(built: Model, example: Tensor) -> tuple[int, ...]:
    """The shape of what reaches the network, without the batch."""
    seen: list[tuple[int, ...]] = []
    hook = built.network.register_forward_pre_hook(lambda _, inputs: seen.append(tuple(cast(Tensor, inputs[0]).shape)))
    was_training = built.training
    try:
        with torch.no_grad():
            built.eval()(example)
    finally:
        hook.remove()
        built.train(was_training)
    return seen[0][1:]


def _log(value: float) -> float:
    return _finite(math.log(value) if value > 0 else -math.inf)


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"its score is {value}")
    return value
