"""A user's network that cannot be built at one of its widths."""

import torch


def build(input_shape, outputs, width: int = 8):
    if width == 7:
        raise RuntimeError("no network of width 7")
    channels, height, wide = input_shape
    return torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(channels * height * wide, width), torch.nn.ReLU(), torch.nn.Linear(width, outputs)
    )
