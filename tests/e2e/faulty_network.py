"""A user's network that is sound, diverges with words of its own on stdout, or takes more memory than a trial may, as a parameter says."""

import torch


def build(input_shape, outputs, fault: str = "none", width: int = 8):
    channels, height, wide = input_shape
    inner = torch.nn.Sequential(
        torch.nn.Flatten(),
        torch.nn.Linear(channels * height * wide, width),
        torch.nn.ReLU(),
        torch.nn.Linear(width, outputs),
    )
    return {"none": inner, "nan": Diverging(inner), "memory": Hungry(inner)}[fault]


class Diverging(torch.nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        if self.training:
            print("2026-01-02T03:04:05.678Z val_accuracy=nan", flush=True)  # noqa: T201
        return self.inner(x) * float("nan")


class Hungry(torch.nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner
        self.taken = []

    def forward(self, x):
        if self.training:
            self.taken.append(torch.ones(2**28))
        return self.inner(x)
