"""Scores are shown with enough digits to tell them apart, whatever the scale of a target."""

import math

import pytest
from atelier_cli.show.numbers import score


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.84616, "0.8462"),
        (-0.0226, "-0.0226"),
        (1.0, "1.0000"),
        (31.25, "31.2500"),
        (0.0, "0.0000"),
        (0.00123456, "0.001235"),
        (1.08342e-07, "1.083e-07"),
        (-2.5e-12, "-2.5e-12"),
        (math.inf, "inf"),
    ],
)
def test_a_score_has_four_digits_that_say_something(value: float, shown: str) -> None:
    assert score(value) == shown
