"""Scores of a model's answers: one definition for the validation rows of an epoch and the test rows of a promotion.

Everything is computed in float64, so that float32 answers and targets of any scale lose nothing: the squares of the
smallest and the largest float32 number are both float64 numbers. Nothing is clipped at a fixed size, which would be
right for targets around 1 and wrong for targets around 1e-7. An answer that is not finite gives a score that is not.

The definitions are scikit-learn's, which a server does not have. A score that has no value for the truth is left out:
DEFINED_FOR says which. All are cheap beside an epoch, so a curve has every one, whatever its search is for: searches
for different objectives share their trials.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atelier_store.spec import Task

LEAST_PROBABILITY = float(np.finfo(np.float32).tiny)
"""Stands for a probability of 0, so that a certain mistake has a finite loss, 87.3: the smallest normal float32."""

LEAST_LOGARITHM = float(np.nextafter(np.float32(-1), np.float32(0)))
"""Stands for a prediction of -1 or less, so that its squared log error is finite: the smallest float32 above -1."""

BINS = 15
"""Bins of the expected calibration error."""

DEFINED_FOR = {"auc": "rows of at least two classes", "rmsle": "targets above -1"}
"""What the truth has to be for a score that is not always defined."""


def scores(task: Task, answers: NDArray[Any], truth: NDArray[Any], prefix: str) -> dict[str, float]:
    """Scores by name: `val_accuracy` for the prefix val. truth holds class numbers (N,), or targets (N,) or (N, T)."""
    by_name = classification(answers, truth) if task == "classification" else regression(answers, truth)
    return {f"{prefix}_{name}": value for name, value in by_name.items()}


def mean_scores(each: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of each score over several parts of the rows; one that some part has no value for is left out."""
    return {name: fmean(part[name] for part in each) for name in each[0] if all(name in part for part in each)}


def classification(probabilities: NDArray[Any], truth: NDArray[Any]) -> dict[str, float]:
    """Scores of probabilities (N, K) for class numbers (N,).

    Macro F1 is the mean over the classes that are among the predictions or the truth. The means of balanced accuracy
    (over recalls), average precision and AUC are over the classes that are among the truth; each of the last two tells
    a class from the rest. The loss is scikit-learn's log loss. The Matthews correlation is 0 where either side has one
    class only.
    """
    predicted = probabilities.argmax(1)
    classes = probabilities.shape[1]
    confusion = np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)
    hits, present, chosen = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    seen = present + chosen
    likelihood = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    return {
        "accuracy": float((predicted == truth).mean()),
        "macro_f1": float((2 * hits[seen > 0] / seen[seen > 0]).mean()),
        "loss": float(-np.log(np.maximum(likelihood, LEAST_PROBABILITY)).mean()),
        "balanced_accuracy": float((hits[present > 0] / present[present > 0]).mean()),
        "mcc": _matthews(hits.sum(), present.astype(np.float64), chosen.astype(np.float64)),
        "ece": _calibration_error(probabilities.max(1).astype(np.float64), predicted == truth),
        **_rankings(probabilities, truth),
    }


def _matthews(right: int, present: NDArray[np.float64], chosen: NDArray[np.float64]) -> float:
    """The Matthews correlation of several classes (Gorodkin 2004), of how often each is there and is predicted."""
    rows = present.sum()
    spread = math.sqrt(rows**2 - present @ present) * math.sqrt(rows**2 - chosen @ chosen)
    return float((right * rows - present @ chosen) / spread) if spread else 0.0


def _calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """The expected calibration error of predicted classes: Guo et al. 2017, On Calibration of Modern Neural Networks.

    The highest probabilities fall into 15 bins of equal width, each with its upper edge; it is the mean over all rows
    of the distance between the accuracy and the mean confidence of their bin.
    """
    bins = np.searchsorted(np.arange(1, BINS) / BINS, confidence)
    return float(np.abs(np.bincount(bins, right - confidence)).sum() / len(right))


def _rankings(probabilities: NDArray[Any], truth: NDArray[Any]) -> dict[str, float]:
    """Macro average precision and, with at least two classes among the truth, macro AUC of one class against the rest.

    Of two classes, the AUC is that of the second. Both are means over the rows of the class: of the share of the other
    rows that score lower, equal ones counting half; of the share of the class among the rows that score as high.
    """
    areas, precisions = {}, []
    for number in np.unique(truth):
        inside = truth == number
        own, rest = np.sort(probabilities[inside, number]), np.sort(probabilities[~inside, number])
        below, up_to = np.searchsorted(rest, own), np.searchsorted(rest, own, "right")
        hits, others = len(own) - np.searchsorted(own, own), len(rest) - below
        precisions.append((hits / (hits + others)).mean())
        if len(rest):
            areas[number] = (below + up_to).mean() / (2 * len(rest))
    found = {"average_precision": float(np.mean(precisions))}
    if areas:
        found["auc"] = float(areas[1] if probabilities.shape[1] == 2 else np.mean(list(areas.values())))
    return found


def regression(predictions: NDArray[Any], truth: NDArray[Any]) -> dict[str, float]:
    """Scores of predictions (N, T) for targets; the loss is 1 - R², every other mean is over all N x T errors.

    The mean absolute percentage error is a share, 0.1 for 10 %; a target of 0 makes it enormous, as in scikit-learn.
    R² is over all T targets together: the sum of their squared errors over the sum of their variances. Where no target
    varies it is 1 if every prediction is exact, else 0, as scikit-learn's `r2_score` has it (`force_finite`).
    """
    targets = truth.reshape(predictions.shape).astype(np.float64)
    errors = predictions.astype(np.float64) - targets
    squared = float((errors**2).mean())
    unexplained = _unexplained(squared, _variance(targets))
    return {
        "rmse": math.sqrt(squared),
        "mae": float(np.abs(errors).mean()),
        "r2": 1 - unexplained,
        "loss": unexplained,
        "mape": float((np.abs(errors) / np.maximum(np.abs(targets), np.finfo(np.float64).eps)).mean()),
        **_log_error(predictions.astype(np.float64), targets),
    }


def _log_error(predictions: NDArray[np.float64], targets: NDArray[np.float64]) -> dict[str, float]:
    """The root of the mean squared difference of log(1 + value), unless a target has no such logarithm."""
    if targets.min() <= -1:
        return {}
    errors = np.log1p(np.maximum(predictions, LEAST_LOGARITHM)) - np.log1p(targets)
    return {"rmsle": math.sqrt((errors**2).mean())}


def _variance(targets: NDArray[np.float64]) -> float:
    """The mean over targets (N, T) of their variances; exactly 0 for constants, whatever they are."""
    deviations = targets - targets[0]  # the mean of equal numbers may be rounded to another one
    return float(deviations.var(0).mean())


def _unexplained(squared: float, variance: float) -> float:
    """The share of the variance that is left as error."""
    if variance == 0 and math.isfinite(squared):
        return float(squared > 0)
    return squared / variance if variance else squared
