"""How far inputs are from those that a model was trained on, in standard deviations of its training set.

A mean over any time is made by whoever asks Prometheus, so what is counted are sums. Counters may not fall, and inputs lie on both sides of
the training mean: what is above it and what is below are summed apart, and their difference is the shift. A gauge would have a window of
its own, and no sum over processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from atelier_store.records import Manifest
from atelier_store.spec import has_channels

MOST_FEATURES = 64
"""Features, or channels, that are compared: the first. Each is two series of every model."""

MOST_VALUES = 2**15
"""Numbers that are compared at a time, about: the rows that come first. A request that has too many gives some of its rows, and a row that
has too many some of its points, evenly spread."""

FARTHEST = 10.0
"""Deviations that one number counts for at most: no single one fires an alert, or makes a sum so large that others vanish in it."""


@dataclass(frozen=True)
class Training:
    """What a model was trained on: the first MOST_FEATURES of its features, of count all together."""

    features: tuple[str, ...]
    count: int
    mean: np.ndarray
    scale: np.ndarray


def training(manifest: Manifest) -> Training | None:
    """What is compared with; None for a bundle from before this was kept."""
    found = manifest.input_statistics
    if found is None:
        return None
    count = len(found.mean)
    mean, std = np.array(found.mean[:MOST_FEATURES]), np.array(found.std[:MOST_FEATURES])
    names = manifest.feature_names or tuple(map(str, range(count)))
    varies = std > np.finfo(np.float32).eps * np.abs(mean)  # below that it is rounding: the feature was constant
    return Training(names[:MOST_FEATURES], count, mean, np.where(varies, std, 1.0))


def features(manifest: Manifest) -> int:
    """How many features or channels the first input has."""
    shape = manifest.inputs[0].shape[1:]
    if manifest.kind == "rows":
        return shape[0]
    return shape[-1] if has_channels(manifest.kind, shape) else 1


def sample(trained: Training, inputs: np.ndarray, room: int) -> np.ndarray:
    """What is compared of the inputs where there is room for so many numbers: some of one row at least."""
    if inputs.size <= room:
        return inputs
    values = inputs.reshape(len(inputs), -1, trained.count)
    rows, points = ceil(inputs.size / room), ceil(values[0].size / MOST_VALUES)
    return values[::rows, ::points].copy()  # the others' memory is let go


def deviations(trained: Training, inputs: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """By how many standard deviations rows are above the training mean, and below, summed over all of them; each (features,).

    A row's is the mean over its pixels or points.
    """
    values = np.concatenate([one.reshape(len(one), -1, trained.count) for one in inputs])[:, :, : len(trained.features)]
    # the numbers of a feature side by side: numpy is slow along a short last axis
    far = np.array(values.transpose(2, 0, 1), np.float64, order="C").reshape(len(trained.features), -1)
    with np.errstate(over="ignore"):
        far -= trained.mean[:, np.newaxis]
        far /= trained.scale[:, np.newaxis]
    np.clip(far, -FARTHEST, FARTHEST, out=far)
    shift = far.sum(axis=1) / values.shape[1]
    distance = np.abs(far, out=far).sum(axis=1) / values.shape[1]
    return np.maximum(distance + shift, 0.0) / 2, np.maximum(
        distance - shift, 0.0
    ) / 2  # rounding may leave less than nothing
