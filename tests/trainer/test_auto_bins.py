"""Bins by the training rows: frequent values take one bin each, and the others share the rest."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from atelier_trainer import auto_bins
from atelier_trainer.auto_bins import edges
from atelier_trainer.row_networks import PiecewiseLinear
from atelier_trial import space
from hypothesis import example, given
from hypothesis import strategies as st

pytestmark = pytest.mark.training

COMMON = st.sampled_from([-2.0, 0.0, 3.5])
NUMBERS = st.one_of(COMMON, st.floats(-100, 100, width=32))


@given(st.lists(NUMBERS, min_size=1, max_size=200))
def test_edges_ascend_from_the_least_to_the_greatest_number_and_are_as_many_as_the_rows_bear(
    numbers: list[float],
) -> None:
    found = edges(np.array(numbers, dtype=np.float32))
    assert 2 <= len(found) <= 1 + max(2, math.isqrt(len(numbers)))
    assert (np.diff(found) > 0).all()
    assert found[0] == pytest.approx(min(numbers), abs=1e-5)
    if found[-1] != found[0] + 1:
        assert found[-1] == pytest.approx(max(numbers), abs=1e-5)


@given(st.lists(NUMBERS, min_size=9, max_size=100))
@example([-4.4, -3.3, *[-2] * 4, -2.1, -1.9, -1.5, *[0] * 7, 0.2, 1.8, 1.9, 3.1, *[3.5] * 4, 4.1])  # rounding lost -2
def test_a_value_with_more_rows_than_a_bin_is_an_edge(numbers: list[float]) -> None:
    column = np.round(np.array(numbers), 1).astype(np.float32)
    values, rows = np.unique(np.round(column.astype(np.float64), 6).astype(np.float32), return_counts=True)
    frequent = values[rows > len(column) / math.isqrt(len(column))]
    assert set(frequent.tolist()) <= set(edges(column).tolist())


def test_a_column_of_nine_tenths_zeros_has_its_bins_among_the_rest() -> None:
    rest = np.arange(1, 1001, dtype=np.float32)
    found = edges(np.concatenate([np.zeros(9_000, dtype=np.float32), rest]))
    assert len(found) == 100
    assert found[0] == 0
    assert np.diff(found).max() <= 11  # 99 bins of ten or eleven rows, where 100 quantiles would leave ten of a hundred


def test_every_value_is_an_edge_if_there_are_few() -> None:
    column = np.array([5, 1, 1, 1, 2, 2, 8, 8, 8], dtype=np.float32)
    assert edges(np.tile(column, 4)).tolist() == [1, 2, 5, 8]


def test_a_constant_column_has_one_bin() -> None:
    assert edges(np.full(10, 7, dtype=np.float32)).tolist() == [7, 8]


def test_a_number_has_no_more_bins_than_the_most_however_many_rows_there_are() -> None:
    assert len(edges(np.linspace(0, 300, 300_000, dtype=np.float32))) == auto_bins.MOST + 1


def test_the_bins_are_of_what_the_scaling_makes_of_a_number() -> None:
    rows = np.random.default_rng(0).exponential(5, (400, 2)).astype(np.float32)
    params = space.canonicalise({"embedding": "piecewise_auto", "scaling": "robust"}, "rows", "regression")
    network = auto_bins.build(params, 2, 1, rows)
    assert isinstance(network.embedding, PiecewiseLinear)
    scaled = network.scaling(torch.from_numpy(rows)).numpy()
    for left, column in zip(network.embedding.left, scaled.T, strict=True):
        np.testing.assert_array_equal(left, edges(column)[:-1])


def test_a_table_without_numbers_has_no_bins() -> None:
    params = space.canonicalise({"embedding": "piecewise_auto"}, "rows", "regression")
    network = auto_bins.build(params, 3, 1, np.eye(3, dtype=np.float32), numbers=0)
    assert network(torch.eye(3)).shape == (3, 1)
