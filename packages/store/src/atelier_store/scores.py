"""Scores of a model's answers: one definition for the validation rows of an epoch and the test rows of a promotion.

Everything is computed in float64, so that float32 answers and targets of any scale lose nothing: the squares of the
smallest and the largest float32 number are both float64 numbers. Nothing is clipped at a fixed size, which would be
right for targets around 1 and wrong for targets around 1e-7. An answer that is not finite gives a score that is not.

The definitions are scikit-learn's, which a server does not have, with its sample_weight where rows have weights. A
score that has no value for the truth is left out: DEFINED_FOR says which. All are cheap beside an epoch, so a curve has
every one, whatever its search is for: searches for different objectives share their trials.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from atelier_store.spec import Task

LEAST_PROBABILITY = float(np.finfo(np.float32).tiny)
"""Stands for a probability of 0, so that a certain mistake has a finite loss, 87.3: the smallest normal float32."""

LEAST_LOGARITHM = float(np.nextafter(np.float32(-1), np.float32(0)))
"""Stands for a prediction of -1 or less, so that its squared log error is finite: the smallest float32 above -1."""

EVEN = 0.5
"""From this probability on a row is given a label, where no threshold is chosen."""

BINS = 15
"""Bins of the expected calibration error."""

DEFINED_FOR = {
    "auc": "rows of at least two classes, or rows with a label and without it",
    "average_precision": "rows with a label",
    "rmsle": "targets above -1",
}
"""What the truth has to be for a score that is not always defined."""


Weight = NDArray[Any] | None
"""Weights of rows (N,), from 0 on; None: all rows weigh the same."""


OwnMetrics = Mapping[str, Callable[..., Any]]
"""Metrics of the user's own, by name: from truth and answers, as `scores` has them, to a finite number."""


def scores(
    task: Task,
    answers: NDArray[Any],
    truth: NDArray[Any],
    prefix: str,
    weight: Weight = None,
    own: OwnMetrics = MappingProxyType({}),
) -> dict[str, float]:
    """Scores by name: `val_accuracy` for the prefix val.

    truth holds class numbers (N,), labels 0 or 1 (N, T), or targets (N,) or (N, T). Those of the user's own come last,
    unless another is not finite. ValueError if every row weighs 0; TypeError or ValueError if one of the user's own is
    no finite number, and whatever it raises.
    """
    if weight is not None:
        weight = weight.astype(np.float64)
        if not weight.sum() > 0:
            raise ValueError(f"every {prefix} row weighs 0: {prefix} scores need rows of some weight")
    by_name = OF_TASK[task](answers, truth, weight)
    if all(map(math.isfinite, by_name.values())):
        of_task_truth = truth if task == "classification" else truth.reshape(answers.shape)
        by_name |= {name: _own(name, function, of_task_truth, answers) for name, function in own.items()}
    return {f"{prefix}_{name}": value for name, value in by_name.items()}


def _own(name: str, function: Callable[..., Any], truth: NDArray[Any], answers: NDArray[Any]) -> float:
    returned = function(truth, answers)
    try:
        value = float(returned)
    except (TypeError, ValueError) as error:
        found = type(returned).__name__
        raise TypeError(f"trainer.metrics.{name} returned {found}; allowed: a number") from error
    if not math.isfinite(value):
        raise ValueError(f"trainer.metrics.{name} returned {value}; allowed: a finite number")
    return value


def mean_scores(each: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of each score over several parts of the rows; one that some part has no value for is left out."""
    return {name: fmean(part[name] for part in each) for name in each[0] if all(name in part for part in each)}


def classification(probabilities: NDArray[Any], truth: NDArray[Any], weight: Weight = None) -> dict[str, float]:
    """Scores of probabilities (N, K) for class numbers (N,).

    Macro F1 is the mean over the classes that are among the predictions or the truth. The means of balanced accuracy
    (over recalls), average precision and AUC are over the classes that are among the truth; each of the last two tells
    a class from the rest. The loss is scikit-learn's log loss. The Matthews correlation is 0 where either side has one
    class only.
    """
    predicted = probabilities.argmax(1)
    classes = probabilities.shape[1]
    pairs = np.bincount(truth * classes + predicted, weights=weight, minlength=classes * classes)
    confusion = pairs.reshape(classes, classes)
    hits, present, chosen = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    seen = present + chosen
    likelihood = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    return {
        "accuracy": float(np.average(predicted == truth, weights=weight)),
        "macro_f1": float((2 * hits[seen > 0] / seen[seen > 0]).mean()),
        "loss": float(-np.average(np.log(np.maximum(likelihood, LEAST_PROBABILITY)), weights=weight)),
        "balanced_accuracy": float((hits[present > 0] / present[present > 0]).mean()),
        "mcc": _matthews(hits.sum(), present.astype(np.float64), chosen.astype(np.float64)),
        "ece": _calibration_error(probabilities.max(1).astype(np.float64), predicted == truth, weight),
        **_rankings(probabilities, truth, weight),
    }


def _matthews(right: float, present: NDArray[np.float64], chosen: NDArray[np.float64]) -> float:
    """The Matthews correlation of several classes (Gorodkin 2004), of how often each is there and is predicted."""
    rows = present.sum()
    spread = math.sqrt(rows**2 - present @ present) * math.sqrt(rows**2 - chosen @ chosen)
    return float((right * rows - present @ chosen) / spread) if spread else 0.0


def _calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_], weight: Weight) -> float:
    """The expected calibration error of predicted classes: Guo et al. 2017, On Calibration of Modern Neural Networks.

    The highest probabilities fall into 15 bins of equal width, each with its upper edge; it is the mean over all rows
    of the distance between the accuracy and the mean confidence of their bin.
    """
    bins = np.searchsorted(np.arange(1, BINS) / BINS, confidence)
    distances = right - confidence if weight is None else weight * (right - confidence)
    return float(np.abs(np.bincount(bins, distances)).sum() / (len(right) if weight is None else weight.sum()))


class Ranked:
    """Rows in the order of their scores (N,), each with a weight."""

    def __init__(self, scores: NDArray[Any], weight: Weight) -> None:
        order = np.argsort(scores, kind="stable")
        self.scores = scores[order]
        self.weight = np.ones(len(order)) if weight is None else weight[order]
        self._below = np.concatenate([[0.0], np.cumsum(self.weight)])

    @property
    def total(self) -> float:
        return float(self._below[-1])

    def below(self, scores: NDArray[Any], side: Literal["left", "right"] = "left") -> NDArray[np.float64]:
        """The weight of the rows that score lower than each of these; right: or equally."""
        weights: NDArray[np.float64] = self._below[np.searchsorted(self.scores, scores, side)]
        return weights


def _rankings(probabilities: NDArray[Any], truth: NDArray[Any], weight: Weight) -> dict[str, float]:
    """Macro average precision and, with at least two classes among the truth, macro AUC of one class against the rest.

    Of two classes, the AUC is that of the second. Both are means over the rows of the class: of the share of the other
    rows that score lower, equal ones counting half; of the share of the class among the rows that score as high.
    """
    if weight is not None:
        counts = weight > 0
        probabilities, truth, weight = probabilities[counts], truth[counts], weight[counts]
    areas, precisions = {}, []
    for number in np.unique(truth):
        precision, area = _ranking(probabilities[:, number], truth == number, weight)
        precisions.append(precision)
        if area is not None:
            areas[number] = area
    found = {"average_precision": float(np.mean(precisions))}
    if areas:
        found["auc"] = float(areas[1] if probabilities.shape[1] == 2 else np.mean(list(areas.values())))
    return found


def _ranking(scores: NDArray[Any], is_of: NDArray[np.bool_], weight: Weight) -> tuple[float, float | None]:
    """Average precision of one class, and its AUC against the rest if there are other rows."""
    own, rest = (Ranked(scores[rows], None if weight is None else weight[rows]) for rows in (is_of, ~is_of))
    below, up_to = rest.below(own.scores), rest.below(own.scores, "right")
    hits, others = own.total - own.below(own.scores), rest.total - below
    precision = float(np.average(hits / (hits + others), weights=own.weight))
    return precision, float(np.average(below + up_to, weights=own.weight) / (2 * rest.total)) if rest.total else None


def multilabel(probabilities: NDArray[Any], truth: NDArray[Any], weight: Weight = None) -> dict[str, float]:
    """Scores of probabilities (N, T) of labels that a row has or has not, truth (N, T) being 1 or 0.

    A row is given the labels of at least EVEN probability. Accuracy is the share of rows with exactly their labels, the
    Hamming loss that of wrong ones among all N x T. Macro F1 is the mean over labels, 0 for one that is neither there
    nor given; those of average precision and AUC are over the labels that some rows have, and some have not. The loss
    is the mean over labels of scikit-learn's log loss.
    """
    is_of, given = truth == 1, probabilities.astype(np.float64) >= EVEN
    likelihood = np.where(is_of, probabilities, 1 - probabilities.astype(np.float64))
    counted = slice(None) if weight is None else weight > 0
    kept, weights = is_of[counted], None if weight is None else weight[counted]
    rankings = [
        _ranking(probabilities[counted, place], of_label, weights)
        for place, of_label in enumerate(kept.T)
        if of_label.any()
    ]
    areas = [area for _, area in rankings if area is not None]
    each = [label_scores(is_of[:, place], given[:, place], weight)["f1"] for place in range(truth.shape[1])]
    return {
        "accuracy": float(np.average((is_of == given).all(1), weights=weight)),
        "macro_f1": float(np.mean(each)),
        "hamming_loss": _mean((is_of != given).astype(np.float64), weight),
        "loss": _mean(-np.log(np.maximum(likelihood, LEAST_PROBABILITY)), weight),
        **({"average_precision": float(np.mean([precision for precision, _ in rankings]))} if rankings else {}),
        **({"auc": float(np.mean(areas))} if areas else {}),
    }


@dataclass(frozen=True)
class Confusion:
    """The weight of the rows that are of a class, or not, and labelled so, at one threshold or each of several (K,)."""

    true_positives: NDArray[Any]
    false_positives: NDArray[Any]
    positives: float
    negatives: float

    @property
    def accuracy(self) -> NDArray[np.float64]:
        return _share(
            self.true_positives + self.negatives - self.false_positives, np.asarray(self.positives + self.negatives)
        )

    @property
    def recall(self) -> NDArray[np.float64]:
        """The share of the rows of the class that are labelled so; 0 if there is none."""
        return _share(self.true_positives, self.positives)

    @property
    def precision(self) -> NDArray[np.float64]:
        """The share of the rows that are labelled so that are of the class; 0 if there is none."""
        return _share(self.true_positives, self.true_positives + self.false_positives)

    @property
    def f1(self) -> NDArray[np.float64]:
        return _share(2 * self.true_positives, self.true_positives + self.false_positives + self.positives)

    @property
    def balanced_accuracy(self) -> NDArray[np.float64]:
        """The mean recall of both sides, of one if the other has no rows."""
        recalls = [(self.true_positives, self.positives), (self.negatives - self.false_positives, self.negatives)]
        present: NDArray[np.float64] = np.array([right / rows for right, rows in recalls if rows])
        return np.asarray(present.mean(0))


def _share(part: NDArray[Any], whole: NDArray[Any] | float) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = np.divide(part, whole, out=np.zeros(np.shape(part)), where=np.asarray(whole) > 0)
    return shares


def label_scores(is_of: NDArray[np.bool_], labelled: NDArray[np.bool_], weight: Weight = None) -> dict[str, float]:
    """Scores of labels (N,) of one class, for rows that are of it or not (N,)."""
    weights = np.ones(len(is_of)) if weight is None else weight.astype(np.float64)
    found = Confusion(
        true_positives=weights[is_of & labelled].sum(),
        false_positives=weights[~is_of & labelled].sum(),
        positives=float(weights[is_of].sum()),
        negatives=float(weights[~is_of].sum()),
    )
    names = ("accuracy", "balanced_accuracy", "f1", "precision", "recall")
    return {name: float(getattr(found, name)) for name in names}


def regression(predictions: NDArray[Any], truth: NDArray[Any], weight: Weight = None) -> dict[str, float]:
    """Scores of predictions (N, T) for targets; the loss is 1 - R², every other mean is over all N x T errors.

    The mean absolute percentage error is a share, 0.1 for 10 %; a target of 0 makes it enormous, as in scikit-learn.
    R² is over all T targets together: the sum of their squared errors over the sum of their variances. Where no target
    varies it is 1 if every prediction is exact, else 0, as scikit-learn's `r2_score` has it (`force_finite`).
    """
    targets = truth.reshape(predictions.shape).astype(np.float64)
    errors = predictions.astype(np.float64) - targets
    squared = _mean(errors**2, weight)
    unexplained = _unexplained(squared, _variance(targets, weight))
    return {
        "rmse": math.sqrt(squared),
        "mae": _mean(np.abs(errors), weight),
        "r2": 1 - unexplained,
        "loss": unexplained,
        "mape": _mean(np.abs(errors) / np.maximum(np.abs(targets), np.finfo(np.float64).eps), weight),
        **_log_error(predictions.astype(np.float64), targets, weight),
    }


def of_targets(
    predictions: NDArray[Any], truth: NDArray[Any], prefix: str, names: Sequence[str], weight: Weight = None
) -> dict[str, dict[str, float]]:
    """The scores of each of several targets alone, by its name, of predictions and truth (N, T)."""
    return {
        name: scores("regression", predictions[:, [place]], truth[:, [place]], prefix, weight)
        for place, name in enumerate(names)
    }


def _mean(values: NDArray[np.float64], weight: Weight) -> float:
    """The mean of values (N, T), of which each row has a weight."""
    return float(values.mean() if weight is None else np.average(values, axis=0, weights=weight).mean())


def _log_error(predictions: NDArray[np.float64], targets: NDArray[np.float64], weight: Weight) -> dict[str, float]:
    """The root of the mean squared difference of log(1 + value), unless a target has no such logarithm."""
    if targets.min() <= -1:
        return {}
    errors = np.log1p(np.maximum(predictions, LEAST_LOGARITHM)) - np.log1p(targets)
    return {"rmsle": math.sqrt(_mean(errors**2, weight))}


def _variance(targets: NDArray[np.float64], weight: Weight) -> float:
    """The mean over targets (N, T) of their variances; exactly 0 for constants, whatever they are."""
    first = 0 if weight is None else int(weight.argmax())
    deviations = targets - targets[first]  # the mean of equal numbers may be rounded to another one
    if weight is None:
        return float(deviations.var(0).mean())
    return _mean((deviations - np.average(deviations, axis=0, weights=weight)) ** 2, weight)


def _unexplained(squared: float, variance: float) -> float:
    """The share of the variance that is left as error."""
    if variance == 0 and math.isfinite(squared):
        return float(squared > 0)
    return squared / variance if variance else squared


OF_TASK: Mapping[Task, Callable[[NDArray[Any], NDArray[Any], Weight], dict[str, float]]] = {
    "classification": classification,
    "multilabel": multilabel,
    "regression": regression,
}
