"""Where a model errs: by scikit-learn's definitions, bounded, with references to rows and no more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from atelier_store.quality import MOST_CLASSES, MOST_MISTAKES, MOST_PAIRS, quality
from atelier_store.records import Quality
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

RANDOM = np.random.default_rng(3)


def classified(rows: int, classes: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Probabilities, and classes of which the last is never there and the first is never chosen."""
    truth = RANDOM.integers(0, classes - 1, rows)
    scores = RANDOM.normal(size=(rows, classes)) + 2 * np.eye(classes)[truth]
    scores[:, 0] = -9
    probabilities = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    return probabilities.astype(np.float32), truth


def found(*arguments: Any, **named: Any) -> Quality:
    made = quality(*arguments, **named)
    assert made is not None
    return made


def test_classes_are_scored_as_scikit_learn_does() -> None:
    probabilities, truth = classified(500, 7)
    made, chosen = found("classification", probabilities, truth, "test_x"), probabilities.argmax(1)
    assert made.confusion is not None and made.classes is not None
    np.testing.assert_array_equal(made.confusion, confusion_matrix(truth, chosen, labels=range(7)))
    scores = precision_recall_fscore_support(truth, chosen, labels=range(7), zero_division=np.nan)
    for ours, theirs in zip((made.classes.precision, made.classes.recall, made.classes.f1), scores, strict=False):
        np.testing.assert_allclose([np.nan if one is None else one for one in ours], theirs, rtol=1e-5)
    assert made.classes.rows == tuple(scores[3]) and made.classes.predicted == tuple(np.bincount(chosen, minlength=7))
    assert made.classes.precision[0] is None and made.classes.recall[6] is None


def test_confidence_is_compared_with_how_often_it_is_right() -> None:
    probabilities, truth = classified(400, 4)
    made, confidence = found("classification", probabilities, truth, "test_x"), probabilities.max(1)
    right, mean = calibration_curve(probabilities.argmax(1) == truth, confidence, n_bins=15)
    np.testing.assert_allclose([one.accuracy for one in made.calibration], right, rtol=1e-5)
    np.testing.assert_allclose([one.confidence for one in made.calibration], mean, rtol=1e-5)
    assert sum(one.rows for one in made.calibration) == 400
    assert all(one.above < one.confidence <= one.up_to for one in made.calibration)


def test_the_worst_mistakes_come_first_and_are_told_by_their_rows() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.99, 0.01], [0.4, 0.6]])
    made = found("classification", probabilities, np.array([1, 1, 1, 0]), "train_x", np.array([5, 7, 11, 13]))
    assert [(one.row, one.truth, one.predicted, one.probability) for one in made.worst] == [
        (11, (1,), (0,), 0.99),
        (5, (1,), (0,), 0.9),
        (13, (0,), (1,), 0.6),
    ]
    assert made.worst[0].loss == pytest.approx(-np.log(0.01), rel=1e-5) and made.array == "train_x"
    assert [(one.truth, one.predicted, one.rows) for one in made.confused] == [(1, 0, 2), (0, 1, 1)]


def test_of_many_classes_only_what_is_bounded_is_kept() -> None:
    probabilities, truth = classified(3000, 1000)
    made = found("classification", probabilities, truth, "test_x")
    assert made.confusion is None and len(made.confused) == MOST_PAIRS and len(made.worst) == MOST_MISTAKES
    assert made.classes is not None and len(made.classes.f1) == 1000
    assert len(made.model_dump_json()) < 60_000
    assert found("classification", *classified(60, MOST_CLASSES), "test_x").confusion is not None


def test_residuals_are_counted_around_their_middle_with_what_is_outside() -> None:
    errors = RANDOM.normal(3, 2, 2000)
    errors[0] = 1e6
    made = found("regression", errors[:, None], np.zeros(2000, np.float32), "test_x")
    residuals = made.residuals
    assert residuals is not None
    np.testing.assert_allclose(residuals.quantiles["0.5"], np.median(errors), rtol=1e-5)
    assert residuals.quantiles["1"] == 1e6 and residuals.mean == pytest.approx(errors.mean(), rel=1e-5)
    assert residuals.below + sum(residuals.counts) + residuals.above == 2000 and residuals.above == 20
    assert len(residuals.edges) == len(residuals.counts) + 1
    assert (made.worst[0].row, made.worst[0].truth, made.worst[0].predicted) == (0, (0.0,), (1e6,))
    assert made.worst[0].loss == pytest.approx(1e12)


@pytest.mark.parametrize("value", [0.0, -2.0])
def test_equal_residuals_are_in_one_bin(value: float) -> None:
    residuals = found("regression", np.full((5, 2), value), np.zeros((5, 2)), "test_x").residuals
    assert residuals is not None and max(residuals.counts) == 10 and residuals.below == residuals.above == 0


def test_answers_that_are_not_finite_have_no_quality() -> None:
    assert quality("regression", np.array([[np.nan], [1.0]]), np.zeros(2), "test_x") is None
