"""A user's network that cannot be built at one of its widths, and finds the disk full at another."""

import errno
import os

import torch


def build(input_shape, outputs, width: int = 8):
    if width == 7:
        raise RuntimeError("no network of width 7")
    if width == 9:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    channels, height, wide = input_shape
    return torch.nn.Sequential(
        torch.nn.Flatten(),
        torch.nn.Linear(channels * height * wide, width),
        torch.nn.ReLU(),
        torch.nn.Linear(width, outputs),
    )
