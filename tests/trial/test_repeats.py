"""Rows that are in two parts of the data are counted, whatever the arrays hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from atelier_trial.data import Arrays, repeats
from atelier_trial.data.repeats import TOGETHER
from numpy.typing import NDArray

ROWS = np.arange(60)


def arrays(x: NDArray[Any]) -> Arrays:
    """The last ten rows are the test's."""
    y = np.zeros(len(x), np.int64)
    return Arrays(x[:-10], y[:-10], x[-10:], y[-10:])


@pytest.mark.parametrize(
    "of",
    [
        lambda rows: rows[:, None] * np.ones(3, np.float32),
        lambda rows: np.repeat(rows, 12).reshape(-1, 3, 4).astype(np.uint8),
        lambda rows: np.where(np.arange(2) == 1, np.nan, rows[:, None]).astype(np.float32),
        lambda rows: rows[:, None] * np.ones(TOGETHER // 32, np.float32),
    ],
    ids=["rows", "pictures", "gaps", "more than is looked at together"],
)
def test_rows_with_the_same_features_are_counted_in_the_later_part(of: Any) -> None:
    numbers = ROWS.copy()
    numbers[[45, 46, 55, 56]] = [0, 49, 1, 44]  # 46 and 49 are both for validation

    found = repeats(arrays(of(numbers)), [(ROWS[:40], ROWS[40:50])])

    assert (found.validation, found.test) == (1, 2)


def test_each_split_counts() -> None:
    numbers = np.where(ROWS == 1, 0, ROWS)
    splits = [(ROWS[:25], ROWS[25:50]), (ROWS[1:50], ROWS[:1]), (ROWS[2:50], ROWS[:2])]

    assert repeats(arrays(numbers[:, None].astype(np.float32)), splits).validation == 1


def test_nothing_is_said_of_rows_that_all_differ() -> None:
    found = repeats(arrays(ROWS[:, None].astype(np.float32)), [(ROWS[:40], ROWS[40:50])])

    assert found.notes(10, 10) == []
