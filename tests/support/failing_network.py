"""A user's network that cannot be built at one of its widths, finds the disk full at another, or never ends a batch."""

import errno
import os
import time

import torch


class Asleep(torch.nn.Module):
    """Takes minutes for a batch of the training."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            time.sleep(300)
        return x


def build(input_shape: tuple[int, int, int], outputs: int, width: int = 8) -> torch.nn.Module:
    if width == 7:
        raise RuntimeError("no network of width 7")
    if width == 9:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    channels, height, wide = input_shape
    if width == 10:
        return torch.nn.Sequential(torch.nn.Flatten(), Asleep(), torch.nn.Linear(channels * height * wide, outputs))
    return torch.nn.Sequential(
        torch.nn.Flatten(),
        torch.nn.Linear(channels * height * wide, width),
        torch.nn.ReLU(),
        torch.nn.Linear(width, outputs),
    )
