"""How far rows of a table are from those that a model was trained on, column by column.

Numbers are compared as in drift.py; a gap counts as the training mean, which is no deviation. Beside that, rows are
counted by what each column holds, and so is how many of them would hold it in the training set. A Prometheus query
takes the shares of gaps and of unseen words from both, and the population stability index (Siddiqi 2006, Credit Risk
Scorecards): the sum of (share - expected) ln(share / expected) over all values.

Dates go on with time, so only their gaps are compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from atelier_store.columns import INPUT, is_numeric
from atelier_store.records import Column, ColumnStatistics, Manifest

from atelier_server.models import drift
from atelier_server.models.drift import MOST_FEATURES, Arrays, Drift, Training

MOST_LEVELS = 10
"""Levels of a category that are counted by name, the most frequent of the training set; the rest is OTHER together."""

GIVEN, MISSING, UNSEEN, OTHER = "<given>", "<missing>", "<unseen>", "<other>"
"""Values by which rows are counted, beside levels."""


@dataclass(frozen=True)
class Values:
    """What rows are counted by in one column: the expected share of each value; of a category, the value of a text."""

    expected: Mapping[str, float]
    of_text: Mapping[str, str] | None = None

    def count(self, column: np.ndarray) -> Mapping[str, int]:
        """How many of the column (N,) hold each value."""
        if self.of_text is None:
            missing = int(np.count_nonzero(np.isnan(column)))
            return {MISSING: missing, GIVEN: len(column) - missing}
        counts: Counter[str] = Counter()
        for text, count in Counter(column.tolist()).items():
            counts[self.of_text.get(text, UNSEEN)] += count
        return counts


@dataclass(frozen=True)
class ColumnTraining:
    """Statistics of the training set for the first MOST_FEATURES columns; numbers has those of the numbers."""

    names: tuple[str, ...]
    is_numeric: bool
    numbers: Training
    values: Mapping[str, Values]

    def sample(self, inputs: Arrays, room: int) -> Arrays:
        """The part of the inputs to compare if there is room for so many values: at least one row."""
        every = ceil(sum(array.size for array in inputs.values()) / room)
        return inputs if every == 1 else {name: array[::every].copy() for name, array in inputs.items()}

    def compare(self, samples: Sequence[Arrays]) -> Drift:
        """How far these are from the training set."""
        columns = self._columns(samples)
        rows = len(next(iter(columns.values())))
        deviations: dict[tuple[str, str], float] = {}
        if self.numbers.features:
            numbers = np.stack([columns[name] for name in self.numbers.features], axis=1).astype(np.float64)
            deviations = self.numbers.deviations([np.where(np.isnan(numbers), self.numbers.mean, numbers)])
        found: dict[tuple[str, str], float] = {}
        expected: dict[tuple[str, str], float] = {}
        for name, values in self.values.items():
            counts = values.count(columns[name])
            found |= {(name, value): counts.get(value, 0) for value in values.expected}
            expected |= {(name, value): rows * share for value, share in values.expected.items()}
        return Drift(rows, deviations, found, expected)

    def _columns(self, samples: Sequence[Arrays]) -> Arrays:
        if not self.is_numeric:
            return {name: np.concatenate([sample[name] for sample in samples])[:, 0] for name in self.values}
        together = np.concatenate([sample[INPUT] for sample in samples])
        return {name: together[:, self.names.index(name)] for name in self.values}


def training(manifest: Manifest) -> ColumnTraining | None:
    """The statistics in the manifest; None if it is no table."""
    if manifest.columns is None or manifest.column_statistics is None:
        return None
    both = list(zip(manifest.columns, manifest.column_statistics, strict=True))[:MOST_FEATURES]
    known = [(column.name, of.mean, of.std) for column, of in both if column.kind == "number"]
    numbers = [(name, mean, std) for name, mean, std in known if mean is not None and std is not None]
    mean, std = (np.array([one[place] for one in numbers], np.float64) for place in (1, 2))
    return ColumnTraining(
        names=tuple(column.name for column in manifest.columns),
        is_numeric=is_numeric(manifest.columns),
        numbers=Training(INPUT, tuple(name for name, _, _ in numbers), len(numbers), mean, drift.scale(mean, std)),
        values={column.name: _values(column, of) for column, of in both},
    )


def _values(column: Column, of: ColumnStatistics) -> Values:
    if column.kind != "category":
        return Values({MISSING: of.missing, GIVEN: 1 - of.missing})
    missing, unseen, *shares = of.shares
    by_share = sorted(zip(column.levels, shares, strict=True), key=lambda one: -one[1])
    named, others = by_share[:MOST_LEVELS], by_share[MOST_LEVELS:]
    expected = {MISSING: missing, UNSEEN: unseen, **dict(named)}
    if others:
        expected[OTHER] = sum(share for _, share in others)
    of_text = {"": MISSING} | {level: level for level, _ in named} | {level: OTHER for level, _ in others}
    return Values(expected, of_text)
