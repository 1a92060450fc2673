"""Scores of a model's answers: one definition for the validation rows of an epoch and the test rows of a promotion.

Everything is computed in float64, so that float32 answers and targets of any scale lose nothing: the squares of the
smallest and the largest float32 number are both float64 numbers. Nothing is clipped at a fixed size, which would be
right for targets around 1 and wrong for targets around 1e-7. An answer that is not finite gives a score that is not.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atelier_store.spec import Task

LEAST_PROBABILITY = float(np.finfo(np.float32).tiny)
"""Stands for a probability of 0, so that a certain mistake has a finite loss, 87.3: the smallest normal float32."""


def scores(task: Task, answers: NDArray[Any], truth: NDArray[Any], prefix: str) -> dict[str, float]:
    """Scores by name: `val_accuracy` for the prefix val. truth holds class numbers (N,), or targets (N,) or (N, T)."""
    by_name = classification(answers, truth) if task == "classification" else regression(answers, truth)
    return {f"{prefix}_{name}": value for name, value in by_name.items()}


def classification(probabilities: NDArray[Any], truth: NDArray[Any]) -> dict[str, float]:
    """Accuracy, macro F1 and mean log loss of probabilities (N, K) for class numbers (N,).

    Macro F1 is the mean over the classes that are among the predictions or the truth, as in scikit-learn.
    """
    predicted = probabilities.argmax(1)
    classes = probabilities.shape[1]
    confusion = np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)
    hits, seen = confusion.diagonal(), confusion.sum(0) + confusion.sum(1)
    likelihood = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    return {
        "accuracy": float((predicted == truth).mean()),
        "macro_f1": float((2 * hits[seen > 0] / seen[seen > 0]).mean()),
        "loss": float(-np.log(np.maximum(likelihood, LEAST_PROBABILITY)).mean()),
    }


def regression(predictions: NDArray[Any], truth: NDArray[Any]) -> dict[str, float]:
    """Root mean squared and mean absolute error, R², and 1 - R² as the loss, of predictions (N, T) for targets.

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
    }


def _variance(targets: NDArray[np.float64]) -> float:
    """The mean over targets (N, T) of their variances; exactly 0 for constants, whatever they are."""
    deviations = targets - targets[0]  # the mean of equal numbers may be rounded to another one
    return float(deviations.var(0).mean())


def _unexplained(squared: float, variance: float) -> float:
    """The share of the variance that is left as error."""
    if variance == 0 and math.isfinite(squared):
        return float(squared > 0)
    return squared / variance if variance else squared
