"""A user's network that is sound, diverges and prints a NaN, or takes too much memory: a parameter says which.

It runs in the trainer's image, where nothing of this repository's tests is.
"""

from typing import Any

import torch


def build(input_shape: tuple[int, int, int], outputs: int, fault: str = "none", width: int = 8) -> torch.nn.Module:
    channels, height, wide = input_shape
    inner = torch.nn.Sequential(
        torch.nn.Flatten(),
        torch.nn.Linear(channels * height * wide, width),
        torch.nn.ReLU(),
        torch.nn.Linear(width, outputs),
    )
    return {"none": inner, "nan": Diverging(inner), "memory": Hungry(inner)}[fault]


class Diverging(torch.nn.Module):
    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> Any:
        if self.training:
            print("2026-01-02T03:04:05.678Z val_accuracy=nan", flush=True)  # noqa: T201
        return self.inner(x) * float("nan")


class Hungry(torch.nn.Module):
    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.taken: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> Any:
        if self.training:
            self.taken.append(torch.ones(2**28))
        return self.inner(x)
