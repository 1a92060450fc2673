"""Features of a table as a network can take them: gaps filled in, numbers scaled, categories spread out.

The treatment of numbers and categories is that of RealMLP (Holzmüller et al. 2024). This file's digest is in the key of
every trial on a table: an edit makes other networks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from atelier_store.columns import DATE_FEATURES, FIRST_LEVEL, places
from atelier_store.records import Column
from numpy.typing import NDArray
from torch import Tensor, nn

FEW_LEVELS = 8
"""So many level numbers of a category, or fewer, are inputs of their own; of more, a vector is learned for each."""

VECTOR = 8
"""Length of a learned vector."""

FARTHEST = 3.0
"""A scaled number never goes beyond: the smooth clipping's bound."""

LARGEST = 1e6
"""A scaled number beyond is as this one, which cannot be told from the bound; its square still is a float32."""

CYCLES = {"month": (1, 12), "day": (1, 31), "weekday": (1, 7), "hour": (0, 24)}
"""The first value and the length of what comes round again."""


class Columns(nn.Module):
    """Features (N, F), as atelier_store.columns describes them, to (N, width) finite numbers.

    In this order: numbers and years, less their median, in units of the range of their middle half, clipped smoothly,
    0 for a gap (`numbers` of them); 1 where one of these is missing that had gaps in training; sine and cosine of what
    comes round again in a date; 1 for the level of each category with few; the learned vectors of the others.
    """

    number_features: Tensor
    centre: Tensor
    scale: Tensor
    gap_features: Tensor
    cycle_features: Tensor
    cycle_first: Tensor
    cycle_length: Tensor
    level_features: Tensor
    level_numbers: Tensor
    vector_features: Tensor
    vector_offsets: Tensor

    def __init__(self, columns: Sequence[Column], rows: NDArray[np.float32]) -> None:
        """Of the training rows (N, F); the caller has seeded torch."""
        super().__init__()
        numbers: list[int] = []
        cycles: list[tuple[int, int, int]] = []
        few: list[tuple[int, Column]] = []
        many: list[tuple[int, Column]] = []
        for column, place in zip(columns, places(columns), strict=True):
            if column.kind == "category":
                (few if FIRST_LEVEL + len(column.levels) <= FEW_LEVELS else many).append((place.start, column))
            else:
                numbers.append(place.start)
            if column.kind == "date":
                cycles += [(place.start + DATE_FEATURES.index(part), *CYCLES[part]) for part in CYCLES]
        centre, scale = robust(rows[:, numbers])
        gaps = [feature for feature in numbers if np.isnan(rows[:, feature]).any()]
        sizes = [FIRST_LEVEL + len(column.levels) for _, column in many]
        levels = [(at, number) for at, column in few for number in range(FIRST_LEVEL + len(column.levels))]
        for name, value in {
            "number_features": numbers,
            "gap_features": gaps,
            "cycle_features": [at for at, _, _ in cycles],
            "level_features": [at for at, _ in levels],
            "vector_features": [at for at, _ in many],
            "vector_offsets": np.cumsum([0, *sizes])[: len(sizes)].tolist(),
        }.items():
            self.register_buffer(name, torch.tensor(value, dtype=torch.int64))
        for name, value in {
            "centre": centre,
            "scale": scale,
            "cycle_first": [first for _, first, _ in cycles],
            "cycle_length": [length for _, _, length in cycles],
            "level_numbers": [number for _, number in levels],
        }.items():
            self.register_buffer(name, torch.tensor(value, dtype=torch.float32))
        self.vectors = nn.Embedding(sum(sizes), VECTOR) if many else None
        self.numbers = len(numbers)
        self.width = self.numbers + len(gaps) + 2 * len(cycles) + len(levels) + VECTOR * len(many)

    def forward(self, features: Tensor) -> Tensor:
        parts = []  # nothing that is empty: the exporter takes empty tensors of two types for one
        if self.numbers:
            numbers = (features[:, self.number_features] - self.centre) * self.scale
            numbers = torch.where(torch.isnan(numbers), torch.zeros_like(numbers), numbers).clamp(-LARGEST, LARGEST)
            parts.append(numbers / torch.sqrt(1 + (numbers / FARTHEST) ** 2))
        if len(self.gap_features):
            parts.append(torch.isnan(features[:, self.gap_features]).float())
        if len(self.cycle_features):
            turns = (features[:, self.cycle_features] - self.cycle_first) / self.cycle_length
            known = ~torch.isnan(turns)
            angle = 2 * math.pi * torch.where(known, turns, torch.zeros_like(turns))
            parts += [torch.sin(angle) * known, torch.cos(angle) * known]
        if len(self.level_features):
            parts.append((features[:, self.level_features] == self.level_numbers).float())
        if self.vectors is not None:
            chosen = features[:, self.vector_features].long() + self.vector_offsets
            parts.append(self.vectors(chosen).flatten(1))
        return torch.cat(parts, 1)


def robust(rows: NDArray[np.float32]) -> tuple[list[float], list[float]]:
    """The median of each column of rows (N, F), and the factor that brings its middle half to the width 1; NaN apart.

    Where the middle half is one value, the factor brings the whole range to 2; where all are one value, or missing, 0.
    """
    centre, factor = [], []
    for values in rows.T.astype(np.float64):
        given = values[~np.isnan(values)]
        low, first, median, third, high = np.percentile(given, [0, 25, 50, 75, 100]).tolist() if given.size else [0] * 5
        centre.append(median)
        factor.append(1 / (third - first) if third > first else 2 / (high - low) if high > low else 0.0)
    return centre, factor


def noise_scale(columns: Sequence[Column], rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The standard deviation of each number's feature over the rows (N, F); 0 of every other feature: no noise."""
    scale = np.zeros(rows.shape[1], dtype=np.float32)
    for column, place in zip(columns, places(columns), strict=True):
        given = rows[:, place.start][~np.isnan(rows[:, place.start])]
        if column.kind == "number" and given.size:
            scale[place.start] = given.std(dtype=np.float64)
    return scale


def calendar(seconds: Tensor) -> Tensor:
    """Date features (N, 5) of seconds since 1970 (N, 1), float64; as `atelier_store.columns.date_features`.

    The civil calendar from a count of days: Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    """
    missing = torch.isnan(seconds)
    hours = torch.floor(torch.where(missing, torch.zeros_like(seconds), seconds) / 3600)
    days = torch.floor(hours / 24)
    shifted = days + 719468  # days since the first of March of the year 0
    era = torch.floor(shifted / 146097)
    day_of_era = shifted - era * 146097
    leaps = torch.floor(day_of_era / 1460) - torch.floor(day_of_era / 36524) + torch.floor(day_of_era / 146096)
    year_of_era = torch.floor((day_of_era - leaps) / 365)
    day_of_year = day_of_era - (365 * year_of_era + torch.floor(year_of_era / 4) - torch.floor(year_of_era / 100))
    from_march = torch.floor((5 * day_of_year + 2) / 153)
    day = day_of_year - torch.floor((153 * from_march + 2) / 5) + 1
    month = torch.where(from_march < 10, from_march + 3, from_march - 9)
    year = year_of_era + era * 400 + (month <= 2).double()
    weekday = days + 3 - 7 * torch.floor((days + 3) / 7) + 1
    parts = torch.cat([year, month, day, weekday, hours - 24 * days], 1)
    return torch.where(missing, torch.full_like(parts, torch.nan), parts).float()
