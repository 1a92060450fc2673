"""Where a model errs: confusion, scores of each class, calibration, residuals, and its worst mistakes.

The definitions are scikit-learn's, which a server does not have: `confusion_matrix`,
`precision_recall_fscore_support`, `calibration_curve` of the highest probability. Numbers have six digits, enough for
people, so that a report of a thousand classes stays small.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from atelier_store import thresholds
from atelier_store.records import ClassScores, Confidence, Confused, Mistake, Quality, Residuals, Threshold
from atelier_store.scores import BINS, LEAST_PROBABILITY
from atelier_store.spec import Task

MOST_CLASSES = 50
"""Classes of which the whole matrix is kept: its size is their square."""

MOST_PAIRS, MOST_MISTAKES = 20, 12
"""Pairs of classes, and mistakes, that are kept."""

SHARES = (0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1)
"""Quantiles of residuals that are kept."""

RESIDUAL_BINS = 30
"""Of equal width, between the second and the last but one of these quantiles."""

Array = Literal["train_x", "test_x"]
Numbers = NDArray[np.int64]


def quality(
    task: Task,
    answers: NDArray[Any],
    truth: NDArray[Any],
    array: Array,
    numbers: NDArray[np.int64] | None = None,
    chosen: Sequence[Threshold] | None = None,
) -> Quality | None:
    """The quality of probabilities (N, K) for class numbers (N,), or of predictions (N, T) for targets (N,) or (N, T).

    numbers (N,) are those of the rows in the array, 0 to N - 1 if left out; by the chosen thresholds a row gets its
    class. None where an answer is not finite.
    """
    answers = answers.astype(np.float64)
    if not np.isfinite(answers).all():
        return None
    numbers = np.arange(len(truth), dtype=np.int64) if numbers is None else numbers
    if task == "regression":
        return _regression(answers, truth, array, numbers)
    return _classification(answers, truth, array, numbers, thresholds.classes(answers, chosen))


def _classification(
    probabilities: NDArray[Any], truth: NDArray[Any], array: Array, numbers: Numbers, predicted: Numbers
) -> Quality:
    classes = probabilities.shape[1]
    pairs, counts = np.unique(truth * classes + predicted, return_counts=True)
    return Quality(
        array=array,
        rows=len(truth),
        classes=_class_scores(truth, predicted, classes),
        confusion=_matrix(pairs, counts, classes) if classes <= MOST_CLASSES else None,
        confused=_confused(pairs, counts, classes),
        calibration=_calibration(probabilities.max(1), probabilities.argmax(1) == truth),
        worst=_worst_classes(probabilities, predicted, truth, numbers),
    )


def _class_scores(truth: NDArray[Any], predicted: NDArray[Any], classes: int) -> ClassScores:
    rows, taken = (np.bincount(numbers, minlength=classes) for numbers in (truth, predicted))
    hits = np.bincount(truth[truth == predicted], minlength=classes)
    return ClassScores(
        rows=_whole(rows),
        predicted=_whole(taken),
        precision=_shares(hits, taken),
        recall=_shares(hits, rows),
        f1=_shares(2 * hits, rows + taken),
    )


def _shares(part: Numbers, of: Numbers) -> tuple[float | None, ...]:
    return tuple(_short(a / b) if b else None for a, b in zip(part.tolist(), of.tolist(), strict=True))


def _matrix(pairs: Numbers, counts: Numbers, classes: int) -> tuple[tuple[int, ...], ...]:
    matrix = np.zeros(classes * classes, dtype=np.int64)
    matrix[pairs] = counts
    return tuple(map(_whole, matrix.reshape(classes, classes)))


def _confused(pairs: Numbers, counts: Numbers, classes: int) -> tuple[Confused, ...]:
    """The most frequent pairs of two classes; of equally frequent ones the first."""
    truth, predicted = np.divmod(pairs, classes)
    wrong = np.flatnonzero(truth != predicted)
    first = wrong[np.argsort(-counts[wrong], kind="stable")][:MOST_PAIRS]
    return tuple(
        Confused(truth=int(truth[at]), predicted=int(predicted[at]), rows=int(counts[at])) for at in first.tolist()
    )


def _calibration(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[Confidence, ...]:
    """The bins that have rows: 15 of equal width, each with its upper edge, as the calibration error has them."""
    bins = np.searchsorted(np.arange(1, BINS) / BINS, confidence)
    rows = np.bincount(bins, minlength=BINS)
    means = [np.bincount(bins, values, minlength=BINS) for values in (confidence, right)]
    return tuple(
        Confidence(
            above=_short(at / BINS),
            up_to=_short((at + 1) / BINS),
            rows=int(rows[at]),
            confidence=_short(means[0][at] / rows[at]),
            accuracy=_short(means[1][at] / rows[at]),
        )
        for at in np.flatnonzero(rows).tolist()
    )


def _worst_classes(
    probabilities: NDArray[Any], predicted: NDArray[Any], truth: NDArray[Any], numbers: Numbers
) -> tuple[Mistake, ...]:
    likelihood = probabilities[np.arange(len(truth)), truth]
    loss = -np.log(np.maximum(likelihood, LEAST_PROBABILITY))
    wrong = np.flatnonzero(predicted != truth)
    return tuple(
        Mistake(
            row=int(numbers[at]),
            truth=(int(truth[at]),),
            predicted=(int(predicted[at]),),
            loss=_short(loss[at]),
            probability=_short(probabilities[at, predicted[at]]),
        )
        for at in _highest(loss, wrong)
    )


def _regression(predictions: NDArray[Any], truth: NDArray[Any], array: Array, numbers: Numbers) -> Quality:
    targets = truth.reshape(predictions.shape).astype(np.float64)
    errors = predictions - targets
    loss = (errors**2).mean(1)
    worst = tuple(
        Mistake(
            row=int(numbers[at]),
            truth=tuple(map(_short, targets[at])),
            predicted=tuple(map(_short, predictions[at])),
            loss=_short(loss[at]),
        )
        for at in _highest(loss, np.arange(len(loss)))
    )
    return Quality(array=array, rows=len(targets), residuals=_residuals(errors.reshape(-1)), worst=worst)


def _residuals(errors: NDArray[np.float64]) -> Residuals:
    quantiles = np.quantile(errors, SHARES)
    low, high = quantiles[1], quantiles[-2]
    if low == high:  # numpy would make the range one wide
        low, high = low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
    counts, edges = np.histogram(errors, RESIDUAL_BINS, (low, high))
    return Residuals(
        mean=_short(errors.mean()),
        quantiles={f"{share:g}": _short(value) for share, value in zip(SHARES, quantiles, strict=True)},
        edges=tuple(map(_short, edges)),
        counts=_whole(counts),
        below=int((errors < low).sum()),
        above=int((errors > high).sum()),
    )


def _highest(loss: NDArray[np.float64], among: NDArray[Any]) -> list[int]:
    """The places of the highest losses, the highest first; of equal ones the first."""
    places: list[int] = among[np.argsort(-loss[among], kind="stable")][:MOST_MISTAKES].tolist()
    return places


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _whole(values: NDArray[Any]) -> tuple[int, ...]:
    return tuple(values.tolist())
