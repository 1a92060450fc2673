"""A user's network that at some widths cannot be built, finds the disk full, fills it, never ends a batch, is slow."""

import contextlib
import errno
import os
import time

import torch
from atelier_trainer import epoch_progress


class Asleep(torch.nn.Module):
    """Takes minutes for a batch of the training."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            time.sleep(300)
        return x


def fill_the_disk_of(descriptor: int) -> None:
    """Append to a file until nothing more can be written."""
    with contextlib.suppress(OSError):
        while os.write(descriptor, b"x" * 4096 + b"\n"):
            pass


def build(input_shape: tuple[int, int, int], outputs: int, width: int = 8) -> torch.nn.Module:
    if width == 7:
        raise RuntimeError("no network of width 7")
    if width == 9:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if width == 12:
        epoch_progress.EVERY = 0.0
    if width == 11:
        fill_the_disk_of(2)
    channels, height, wide = input_shape
    if width == 10:
        return torch.nn.Sequential(torch.nn.Flatten(), Asleep(), torch.nn.Linear(channels * height * wide, outputs))
    return torch.nn.Sequential(
        torch.nn.Flatten(),
        torch.nn.Linear(channels * height * wide, width),
        torch.nn.ReLU(),
        torch.nn.Linear(width, outputs),
    )
