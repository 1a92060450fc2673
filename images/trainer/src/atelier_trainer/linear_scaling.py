"""Numbers by median and quartiles that are not drawn in: sums and differences of columns stay what they are.

What is far out matters where a target is a sum of columns: a tip is the total less the fare, also of a long ride. This
file's digest is in the key of every trial whose scaling is linear: an edit makes other networks.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from atelier_trainer.columns import Columns, robust

FARTHEST = 100.0
"""So many widths of the middle half from the median a number is cut off, lest one row decides what is learnt."""


def linear(numbers: Tensor, centre: Tensor, factor: Tensor) -> Tensor:
    """Numbers (N, F) less their centre (F,), times factor (F,), from -FARTHEST to FARTHEST; 0 for a gap."""
    scaled = (numbers - centre) * factor
    return torch.where(torch.isnan(scaled), torch.zeros_like(scaled), scaled).clamp(-FARTHEST, FARTHEST)


class LinearColumns(nn.Module):
    """A table's features (N, F) to what its columns make of them, (N, width), but for the numbers, which are linear."""

    def __init__(self, columns: Columns) -> None:
        super().__init__()
        self.columns = columns
        self.numbers, self.width = columns.numbers, columns.width

    def forward(self, features: Tensor) -> Tensor:
        columns = self.columns
        given: Tensor = columns(features)
        if not self.numbers:
            return given
        numbers = linear(features[:, columns.number_features], columns.centre, columns.scale)
        return torch.cat([numbers, given[:, self.numbers :]], 1)


class LinearScaling(nn.Module):
    """Before a network for rows (N, F) of numbers: each by the median and the quartiles of the training rows (n, F)."""

    centre: Tensor
    factor: Tensor

    def __init__(self, rows: NDArray[np.float32]) -> None:
        super().__init__()
        for name, values in zip(("centre", "factor"), robust(rows), strict=True):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.centre, self.factor)
