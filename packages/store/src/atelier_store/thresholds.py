"""Thresholds: chosen on the validation rows, applied wherever a row gets its labels.

Of two classes the second is the one that is looked for, as in `scores`: a row is labelled so from its threshold on.
Where a row has any number of labels, each of them has a threshold of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atelier_store.records import Threshold
from atelier_store.scores import EVEN, Confusion, Ranked, Weight, label_scores
from atelier_store.spec import ThresholdRule

ROUNDING = 1e-12
"""A share may be so much below what a rule asks for: 0.9 of 10 rows is 9 of them."""


class NoThreshold(ValueError):
    """No threshold does what the rule asks for."""


def chosen(
    rule: ThresholdRule, label: str, probabilities: NDArray[Any], is_of: NDArray[np.bool_], weight: Weight = None
) -> Threshold:
    """The threshold that the rule chooses for rows with these probabilities (N,) of a class that they are of, or not.

    It is a number: that one. f1, balanced_accuracy: where that score is highest. recall>=R: where the precision is
    highest among all with at least that recall; precision>=P: where the recall is, likewise. The highest of several.
    A chosen one has the fewest digits that tell it from the next probabilities of these rows, so that it does not hang
    on the last bits of a machine's arithmetic. NoThreshold if there is none.
    """
    value = rule if isinstance(rule, float) else _chosen(rule, label, probabilities.astype(np.float64), is_of, weight)
    metrics = label_scores(is_of, _reaches(probabilities, value), weight)
    return Threshold(label=label, value=value, rule=rule if isinstance(rule, str) else f"{rule:g}", metrics=metrics)


def at(threshold: Threshold, probabilities: NDArray[Any], is_of: NDArray[np.bool_], weight: Weight = None) -> Threshold:
    """The same threshold with the scores of other rows."""
    metrics = label_scores(is_of, _reaches(probabilities, threshold.value), weight)
    return threshold.model_copy(update={"metrics": metrics})


def classes(probabilities: NDArray[Any], thresholds: Sequence[Threshold] | None) -> NDArray[np.int64]:
    """The number of each row's class (N,) by its probabilities (N, K): by the threshold of two, else the likeliest."""
    if not thresholds:
        return np.asarray(probabilities.argmax(axis=1), np.int64)
    return _reaches(probabilities[:, 1], thresholds[0].value).astype(np.int64)


def labels(probabilities: NDArray[Any], thresholds: Sequence[Threshold] | None) -> NDArray[np.bool_]:
    """Which labels each row is given (N, T) by its probabilities of them (N, T): from a threshold on, or EVEN."""
    values = [threshold.value for threshold in thresholds] if thresholds else [EVEN] * probabilities.shape[1]
    return np.stack([_reaches(of, value) for of, value in zip(probabilities.T, values, strict=True)], axis=1)


def _reaches(probabilities: NDArray[Any], value: float) -> NDArray[np.bool_]:
    reaches: NDArray[np.bool_] = probabilities.astype(np.float64) >= value  # float32 would round the threshold
    return reaches


def _chosen(
    rule: str, label: str, probabilities: NDArray[np.float64], is_of: NDArray[np.bool_], weight: Weight
) -> float:
    possible = np.unique(probabilities)[::-1]
    counts = _confusion(possible, probabilities, is_of, weight)
    if not counts.positives or not counts.negatives:
        raise NoThreshold(f"{'every' if counts.positives else 'no'} validation row is of class {label!r}")
    name, _, least = rule.partition(">=")
    if not least:
        best = int(getattr(counts, name).argmax())
    else:
        asked, other = getattr(counts, name), counts.precision if name == "recall" else counts.recall
        fits = asked >= float(least) - ROUNDING
        if not fits.any():
            raise NoThreshold(f"the highest {name} of class {label!r} on the validation rows is {asked.max():.4g}")
        best = int(np.where(fits, other, -1.0).argmax())
    below = possible[best + 1] if best + 1 < len(possible) else 0.0
    return _between(float(below), float(possible[best]))


def _between(below: float, above: float) -> float:
    """A number above one and below the other, near their middle, with few digits."""
    middle = (below + above) / 2
    rounded = (round(middle, digits) for digits in range(1, 17))
    return next((number for number in rounded if below < number < above), middle)


def _confusion(
    possible: NDArray[np.float64], probabilities: NDArray[np.float64], is_of: NDArray[np.bool_], weight: Weight
) -> Confusion:
    """The confusion at each of these thresholds."""
    own, rest = (
        Ranked(probabilities[rows], None if weight is None else weight[rows].astype(np.float64))
        for rows in (is_of, ~is_of)
    )
    return Confusion(
        true_positives=own.total - own.below(possible),
        false_positives=rest.total - rest.below(possible),
        positives=own.total,
        negatives=rest.total,
    )
