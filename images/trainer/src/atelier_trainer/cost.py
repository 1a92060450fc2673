"""What a network costs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from atelier_store import budget
from atelier_store.records import DataDescription, Latency
from atelier_store.spec import Budget

from atelier_trainer import export, model, operations


@dataclass(frozen=True)
class Cost:
    """What a network costs; latency is None while it is not measured, and operations where nobody asks for latency."""

    params: int
    macs: int
    latency: Latency | None = None
    operations: dict[str, float] | None = None

    def over(self, bounds: Budget) -> list[str]:
        """One line for every bound that is exceeded."""
        return budget.exceeded(bounds, self.params, self.macs, self.latency.p50_ms if self.latency else None)


def cost_of(
    built: model.Model, description: DataDescription, has_latency: bool = False, has_operations: bool = False
) -> Cost:
    """What the network costs, wherever it is, on torch's meta device as well.

    has_latency: measure that too; has_operations: count them, which foretells a latency.
    """
    dtype = torch.uint8 if description.kind == "images" else torch.float32
    example = torch.zeros((1, *description.shape), dtype=dtype)
    latency = None
    if has_latency:
        onnx = export.to_onnx(built, description.task, example, description.columns)
        latency = export.measure_latency(onnx, export.inputs(example.numpy(), description.columns))
    counts = operations.count(built, example) if has_operations else None
    return Cost(model.count_params(built), model.count_macs(built, example.to(built.mean.device)), latency, counts)
