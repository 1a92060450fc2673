"""A user's network that is not built before somebody says so, by a file in its trial's pod: a search as long as wanted.

It runs in the trainer's image, where nothing of this repository's tests is.
"""

import time
from pathlib import Path

import torch

GO = Path("/tmp/go")


def build(input_shape: tuple[int, int, int], outputs: int, width: int = 8) -> torch.nn.Module:
    while not GO.exists():
        time.sleep(0.2)
    channels, height, wide = input_shape
    return torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(channels * height * wide, width), torch.nn.Linear(width, outputs)
    )
