"""Columns in few bytes are read as they were."""

from __future__ import annotations

import hashlib
import json
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


@settings(max_examples=50)
@given(
    st.lists(st.integers(1, 999).map(lambda one: f"trial-{one:04}"), min_size=90),
    st.lists(st.integers(0, 2**64 - 1).map(lambda one: f"{one:016x}"), min_size=90),
    st.lists(st.tuples(st.integers(0, 89), st.sampled_from([None, "tail", "trial-1", "trial-00001", "é", "0" * 16]))),
)
def test_columns_of_many_are_read_as_they_were(
    names: list[str], keys: list[str], others: list[tuple[int, str | None]]
) -> None:
    for of in (names, keys):
        values: list[str | None] = list(of)
        for place, other in others:
            values[place] = other
        assert column(json.loads(json.dumps(packed.column(values)))) == values


def test_names_keys_and_ranks_of_ten_thousand_trials_take_few_bytes() -> None:
    digests = [hashlib.sha256(f"{place}".encode()).hexdigest()[:16] for place in range(10_000)]
    names = [f"trial-{place:04}" for place in range(10_000)]
    ranks = [*range(1, 9001), *[None] * 1000]
    for values, most in ((names, 54_000), (digests, 107_000), (ranks, 30)):
        told = packed.column(values)
        assert len(json.dumps(told)) <= most and column(told) == values


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
