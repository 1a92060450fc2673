"""How far inputs are from those that a model was trained on, in standard deviations of its training set.

Sums are counted, so that a Prometheus query can take the mean over any time. Counters must not fall, and inputs lie on
both sides of the training mean: what is above it and what is below are summed separately, and their difference is the
shift. A gauge would have a window of its own, and could not be summed over processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from atelier_store.records import Manifest
from atelier_store.spec import has_channels

MOST_FEATURES = 64
"""Features, or channels, that are compared: the first ones. Each makes two series for every model."""

MOST_VALUES = 2**15
"""About how many numbers are compared at a time: the rows that come first. Of a larger request only some rows are
compared, of a larger row only some points, evenly spread."""

FARTHEST = 10.0
"""Deviations that one number counts for at most, so that no single number fires an alert or swamps the sum."""


@dataclass(frozen=True)
class Training:
    """Statistics of the training set for the first MOST_FEATURES of the model's count features."""

    features: tuple[str, ...]
    count: int
    mean: np.ndarray
    scale: np.ndarray


def training(manifest: Manifest) -> Training | None:
    """The statistics in the manifest; None for a bundle of a release that did not keep them."""
    statistics = manifest.input_statistics
    if statistics is None:
        return None
    count = len(statistics.mean)
    mean, std = np.array(statistics.mean[:MOST_FEATURES]), np.array(statistics.std[:MOST_FEATURES])
    names = manifest.feature_names or tuple(map(str, range(count)))
    varies = std > np.finfo(np.float32).eps * np.abs(mean)  # less is rounding: the feature was constant
    return Training(names[:MOST_FEATURES], count, mean, np.where(varies, std, 1.0))


def features(manifest: Manifest) -> int:
    """How many features or channels the first input has."""
    shape = manifest.inputs[0].shape[1:]
    if manifest.kind == "rows":
        return shape[0]
    return shape[-1] if has_channels(manifest.kind, shape) else 1


def sample(trained: Training, inputs: np.ndarray, room: int) -> np.ndarray:
    """The part of the inputs to compare if there is room for so many numbers: at least some of one row."""
    if inputs.size <= room:
        return inputs
    values = inputs.reshape(len(inputs), -1, trained.count)
    rows, points = ceil(inputs.size / room), ceil(values[0].size / MOST_VALUES)
    return values[::rows, ::points].copy()  # a copy, so that the rest of the memory is freed


def deviations(trained: Training, inputs: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """By how many standard deviations rows are above the training mean, and below it, summed over all rows.

    Each has shape (features,). A row's deviation is the mean over its pixels or points.
    """
    rows = [array.reshape(len(array), -1, trained.count) for array in inputs]
    values = np.concatenate(rows)[:, :, : len(trained.features)]
    # the numbers of a feature side by side: numpy is slow along a short last axis
    far = np.array(values.transpose(2, 0, 1), np.float64, order="C").reshape(len(trained.features), -1)
    with np.errstate(over="ignore"):
        far -= trained.mean[:, np.newaxis]
        far /= trained.scale[:, np.newaxis]
    np.clip(far, -FARTHEST, FARTHEST, out=far)
    shift = far.sum(axis=1) / values.shape[1]
    distance = np.abs(far, out=far).sum(axis=1) / values.shape[1]
    # rounding may leave less than zero
    return np.maximum(distance + shift, 0.0) / 2, np.maximum(distance - shift, 0.0) / 2
