"""Numbers that float32 cannot tell apart are refused with their column; others are taken, however large."""

from __future__ import annotations

import numpy as np
import pytest

from tests.trial.place import Place

RANDOM = np.random.default_rng(0)
CLASSES = np.arange(60) % 2


@pytest.mark.parametrize("column", [1.7e9 + np.arange(60), 1e9 + RANDOM.normal(size=60), 10**12 + np.arange(60)])
def test_a_column_that_float32_does_not_tell_apart_is_refused_by_name(place: Place, column: np.ndarray) -> None:
    rows = "".join(
        f"{number},{float(value)!r},{label}\n"
        for number, (value, label) in enumerate(zip(column, CLASSES, strict=True))
    )
    (violation,) = place.refused("csv", **place.csv("a,seconds,y\n" + rows))
    assert "t.csv, column 'seconds': float32" in violation
    assert (
        f"subtract {column.min()!r}" in violation.replace("np.float64(", "").replace(")", "") or "subtract" in violation
    )


@pytest.mark.parametrize(
    "x",
    [
        RANDOM.normal(size=(60, 2)),
        RANDOM.normal(size=(60, 2)) * 1e-30,
        1.7e9 + np.arange(120).reshape(60, 2) * 86400.0,
        np.column_stack([np.full(60, 0.1), np.arange(60)]),
        np.column_stack([np.array([1.0, 1.0 + 2**-52] * 30), np.arange(60)]),
        np.array([1e12, *np.arange(119)]).reshape(60, 2),
        np.array([1e12, *RANDOM.normal(size=119)]).reshape(60, 2),
        np.array([*np.zeros(100), *RANDOM.normal(size=20)]).reshape(60, 2),
        RANDOM.integers(0, 2**40, (60, 2)),
    ],
)
def test_columns_that_float32_holds_well_enough_are_taken(place: Place, x: np.ndarray) -> None:
    _, arrays = place.arrays("npz", **place.npz(x, CLASSES, x_test=x, y_test=CLASSES))
    np.testing.assert_array_equal(arrays.train_x, x.astype(np.float32))


def test_an_outlier_does_not_hide_that_all_others_are_the_same(place: Place) -> None:
    seconds = np.array([0.0, *(1.7e9 + np.arange(59))])
    (violation,) = place.refused("npz", **place.npz(seconds[:, None], CLASSES))
    assert "feature 0: float32" in violation


def test_numbers_that_float32_makes_zero_are_to_be_scaled(place: Place) -> None:
    (violation,) = place.refused("npz", **place.npz(RANDOM.normal(size=(60, 1)) * 1e-60, CLASSES))
    assert violation.endswith("scale them, here and in requests")


def test_whole_numbers_beyond_float64_are_refused_too(place: Place) -> None:
    (violation,) = place.refused("npz", **place.npz((10**18 + np.arange(60))[:, None], CLASSES))
    assert "feature 0: float32" in violation


def test_targets_and_channels_are_looked_at_one_by_one(place: Place) -> None:
    x = RANDOM.normal(size=(60, 9, 2)) + np.array([0, 1e9])
    (violation,) = place.refused("npz", **place.npz(x, CLASSES), kind="signals")
    assert "step 0, channel 1: float32" in violation
    targets = 1.7e9 + np.arange(60)
    (violation,) = place.refused("npz", **place.npz(x[:, :, 0], targets), task="regression")
    assert "target 0: float32" in violation


def test_series_that_look_swapped_are_said_to(place: Place) -> None:
    data = place.npz(RANDOM.normal(size=(60, 2, 9)), CLASSES)
    description = place.prepare("npz", **data, kind="signals")
    assert description.notes == (
        "series have 2 steps of 9 channels: if it is the other way round, swap the axes; "
        "allowed: (N, length, channels)",
    )
    assert place.prepare("npz", **data, kind="signals").notes == description.notes
    other = place.npz(RANDOM.normal(size=(60, 9, 2)), CLASSES, x_test=np.zeros((9, 2, 9)), y_test=CLASSES[:9])
    (violation,) = place.refused("npz", **other, kind="signals")
    assert "(their axes are in another order)" in violation


@pytest.mark.parametrize("first", [2**60, -(2**60), 2**53, 2**62 + 2**40])
def test_whole_numbers_of_which_float32_holds_one_exactly_are_refused_too(place: Place, first: int) -> None:
    (violation,) = place.refused("npz", **place.npz((first + np.arange(60))[:, None], CLASSES))
    assert "feature 0: float32" in violation
