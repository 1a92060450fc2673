"""Columns in few bytes are read as they were."""

from __future__ import annotations

import math

import pytest
from atelier_board import packed
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.board import column, numbers


@settings(max_examples=30)
@given(st.lists(st.none() | st.sampled_from(["relu", "gelu", "0.5"]) | st.integers(0, 40)))
def test_a_column_is_read_as_it_was(values: list[str | int | None]) -> None:
    assert column(packed.column(values)) == values


def test_a_few_choices_take_a_byte_each() -> None:
    told = packed.column(["relu", "gelu"] * 500)
    assert isinstance(told, dict) and len(told["rows"]) == 1000


@settings(max_examples=30)
@given(st.lists(st.none() | st.floats(-1e6, 1e6)))
def test_numbers_are_as_they_were_to_a_step_of_their_range(values: list[float | None]) -> None:
    told = packed.numbers(values)
    step = (told["high"] - told["low"]) / 65534 if "low" in told else 0
    for before, after in zip(values, numbers(told), strict=True):
        assert math.isnan(after) if before is None else after == pytest.approx(before, abs=step)


def test_one_that_leaves_all_others_does_not_flatten_them() -> None:
    values = [0.91, 0.92, 0.93, 0.94, 0.95, 0.96, 0.97, 1e12]
    assert numbers(packed.numbers(values)) == values


def test_rows_of_more_trials_than_16_bits_count_are_exact() -> None:
    rows = [0, 65_533, 65_534, 65_535, 99_999]
    assert numbers(packed.places(rows, 100_000)) == rows
