"""What a network computes for one example, counted by kind of operation: what its latency is foretold from."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

NORMALISATION = ("aten::native_batch_norm", "aten::_native_batch_norm_legit_no_training", "aten::cudnn_batch_norm")
"""Part of the layer before them, once a network is exported."""


def count(network: nn.Module, example: Tensor) -> dict[str, float]:
    """Counts for one example (1, *shape), whatever its values are.

    By kind (convolution, grouped, matrix, other, view): how many there are, as `convolution.nodes`; of the first three
    their multiply-adds and weights, `convolution.macs` and `convolution.weights`, and of others the numbers that they
    give, `other.elements`. On torch's meta device, or where the network is if it does not run there.
    """
    try:
        return _counted(copy.deepcopy(network).to("meta"), example.to("meta"))
    except Exception:  # whatever a user's network raises of values that are not there
        own = next(network.parameters(), example).device
        return _counted(network, example.to(own))


def _counted(network: nn.Module, example: Tensor) -> dict[str, float]:
    was_training = network.training
    counter = _Counter()
    try:
        with torch.no_grad(), counter:  # which takes composite operations apart, as inference_mode does not
            network.eval()(example)
    finally:
        network.train(was_training)
    return {name: float(count) for name, count in sorted(counter.counts.items())}


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what torch is asked to compute, in whatever way a network asks."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        output = result[0] if isinstance(result, (tuple, list)) and result else result
        name = func._schema.name
        if not isinstance(output, Tensor) or name in NORMALISATION:
            return result
        kind, macs, weights = "other", 0, 0
        if name == "aten::convolution":
            weight, groups = args[1], args[8]
            kind = "convolution" if groups == 1 else "grouped"
            macs, weights = output.numel() * weight[0].numel(), weight.numel()
        elif name in ("aten::addmm", "aten::mm", "aten::bmm", "aten::baddbmm"):
            first, second = args[1:3] if name in ("aten::addmm", "aten::baddbmm") else args[:2]
            kind, macs, weights = "matrix", output.numel() * first.shape[-1], second.numel()
        elif func.is_view:
            kind = "view"
        self.counts[f"{kind}.nodes"] += 1
        if macs:
            self.counts[f"{kind}.macs"] += macs
            self.counts[f"{kind}.weights"] += weights
        elif kind == "other":
            self.counts["other.elements"] += output.numel()
        return result
