"""Rows that are in two parts of the data: what has been learnt by heart is scored as if it were new."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from atelier_store.folds import Rows
from numpy.typing import NDArray

from atelier_trial.data.prepare import Arrays

TOGETHER = 8_000_000
"""Bytes of rows that are in memory at once, beside eight bytes for each row."""


@dataclass(frozen=True)
class Repeats:
    """How many validation rows are training rows too, and how many test rows are training or validation rows.

    Rows are the same if all their features are, bit for bit; what they are to be told is not looked at.
    """

    validation: int
    test: int

    def notes(self, validation_rows: int, test_rows: int) -> list[str]:
        """A line for people, if any row repeats."""
        counts = [
            f"{count:,} of {rows:,} {part} rows are also {among} rows"
            for count, rows, part, among in (
                (self.validation, validation_rows, "validation", "training"),
                (self.test, test_rows, "test", "training or validation"),
            )
            if count
        ]
        if not counts:
            return []
        return [f"repeated rows, on which scores look better than on new ones: {'; '.join(counts)} (equal features)"]


def repeats(arrays: Arrays, splits: Sequence[tuple[Rows, Rows]]) -> Repeats:
    """The rows that repeat between the parts; splits are the rows of the training arrays to learn from and to validate.

    They are told by a hash of 64 bits: among a billion rows, one pair in forty runs counts by mistake.
    """
    train, test = _hashes(arrays.train_x), _hashes(arrays.test_x)
    again = (np.isin(train[validation], train[training]).sum() for training, validation in splits)
    return Repeats(validation=int(sum(again)), test=int(np.isin(test, train).sum()))


def _hashes(x: NDArray[Any]) -> NDArray[np.int64]:
    """A hash of each row (N,)."""
    return np.fromiter(_each_hash(x), np.int64, len(x))


def _each_hash(x: NDArray[Any]) -> Iterator[int]:
    width = max(1, x.nbytes // max(1, len(x)))
    count = max(1, TOGETHER // width)
    for start in range(0, len(x), count):
        content = x[start : start + count].tobytes()
        yield from (hash(content[at : at + width]) for at in range(0, len(content), width))
