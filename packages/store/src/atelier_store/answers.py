"""What a bundle answers to rows whose truth is known, and what that comes to: scores, thresholds, mistakes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from atelier_store import thresholds
from atelier_store.layout import BundlePaths
from atelier_store.quality import Array, quality
from atelier_store.records import Manifest, Part, Quality, Threshold
from atelier_store.scores import OwnMetrics, Weight, of_targets, scores
from atelier_store.spec import ThresholdRule


class Answered(NamedTuple):
    """What a bundle answers to rows: probabilities (N, K) or targets (N, T), with the truth, (N,) or (N, T).

    numbers (N,) are those of the rows in the array. weight is that of each row (N,), if they have any.
    """

    answers: NDArray[Any]
    truth: NDArray[Any]
    array: Array = "test_x"
    numbers: NDArray[np.int64] | None = None
    weight: Weight = None


Answer = Callable[[BundlePaths, Manifest, Part], Answered | None]
"""The answers to these rows of a bundle's data; None if the store has none. No search ever reads the test rows.

With folds, the answers to validation rows are those of the networks of the folds, which have not learnt from them.
"""


def test_scores(manifest: Manifest, tested: Answered, own: OwnMetrics) -> dict[str, float]:
    """The scores of the test rows, with those of the user's own metrics."""
    return scores(manifest.task, tested.answers, tested.truth, "test", tested.weight, own)


def of_the_test(manifest: Manifest, tested: Answered, own: OwnMetrics) -> dict[str, Any]:
    """What a promotion says of the test rows."""
    found: dict[str, Any] = {"test_metrics": test_scores(manifest, tested, own), "test_rows": len(tested.truth)}
    if manifest.target_names is not None:
        each = of_targets(tested.answers, tested.truth, "test", manifest.target_names, tested.weight)
        found["test_target_metrics"] = each
    if manifest.thresholds is not None:
        found["test_thresholds"] = tuple(
            thresholds.at(threshold, probabilities, is_of, tested.weight)
            for threshold, (_, probabilities, is_of) in zip(
                manifest.thresholds, _by_label(manifest, tested), strict=True
            )
        )
    return found


def chosen_thresholds(rule: ThresholdRule, manifest: Manifest, validated: Answered | None) -> tuple[Threshold, ...]:
    """The threshold of the second of two classes, or of each label, by the answers to the validation rows.

    With folds, they are those of the networks of the folds. NoThreshold if there are none, or other than two classes.
    """
    labels = manifest.labels or ()
    if manifest.task == "classification" and len(labels) != 2:
        raise thresholds.NoThreshold(f"is for two classes; there are {len(labels)}")
    if validated is None:
        lacks = "does not have the data that it is chosen on any more"
        if manifest.config.folds is not None:
            lacks = (
                "lacks the data that it is chosen on, or the answers of the folds' networks to them (out_of_fold.npz), "
                "which trials of older releases have not: remove the trial's folder to train it again"
            )
        raise thresholds.NoThreshold(f"the store {lacks}")
    return tuple(
        thresholds.chosen(rule, label, probabilities, is_of, validated.weight)
        for label, probabilities, is_of in _by_label(manifest, validated)
    )


def mistakes(manifest: Manifest, answered: Answered) -> Quality | None:
    """Where the bundle errs; None of labels, and where an answer is not finite."""
    if manifest.task == "multilabel":
        return None
    answers, truth, array, numbers, _ = answered
    return quality(manifest.task, answers, truth, array, numbers, manifest.thresholds)


def _by_label(manifest: Manifest, answered: Answered) -> Iterator[tuple[str, NDArray[Any], NDArray[np.bool_]]]:
    """Each label that has a threshold, with its probabilities and whether rows are of it, (N,) each."""
    labels = manifest.labels or ()
    if manifest.task == "classification":
        yield labels[1], answered.answers[:, 1], answered.truth == 1
        return
    for place, label in enumerate(labels):
        yield label, answered.answers[:, place], answered.truth[:, place] == 1
