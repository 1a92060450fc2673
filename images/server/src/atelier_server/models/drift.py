"""How far inputs are from those that a model was trained on, in standard deviations of its training set.

Sums are counted, so that a Prometheus query can take the mean over any time. Counters must not fall, and inputs lie on
both sides of the training mean: what is above it and what is below are summed separately, and their difference is the
shift. A gauge would have a window of its own, and could not be summed over processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
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


Arrays = dict[str, np.ndarray]
"""Rows by the name of an input."""


@dataclass(frozen=True)
class Drift:
    """Sums over some rows: deviations, by feature and direction.

    Of a table's columns also how many rows held each value, by feature and value, and how many would have in the
    training set.
    """

    rows: int
    deviations: dict[tuple[str, str], float]
    values: dict[tuple[str, str], float] = field(default_factory=dict)
    expected: dict[tuple[str, str], float] = field(default_factory=dict)


@dataclass(frozen=True)
class Training:
    """Statistics of the training set for the first MOST_FEATURES of the count features of the model's first input."""

    input: str
    features: tuple[str, ...]
    count: int
    mean: np.ndarray
    scale: np.ndarray

    def sample(self, inputs: Arrays, room: int) -> Arrays:
        """The part of the inputs to compare if there is room for so many numbers: at least some of one row."""
        array = inputs[self.input]
        if array.size <= room:
            return {self.input: array}
        values = array.reshape(len(array), -1, self.count)
        rows, points = ceil(array.size / room), ceil(values[0].size / MOST_VALUES)
        return {self.input: values[::rows, ::points].copy()}  # a copy, so that the rest of the memory is freed

    def compare(self, samples: Sequence[Arrays]) -> Drift:
        """How far these are from the training set."""
        arrays = [sample[self.input] for sample in samples]
        return Drift(sum(map(len, arrays)), self.deviations(arrays))

    def deviations(self, arrays: Sequence[np.ndarray]) -> dict[tuple[str, str], float]:
        """By how many standard deviations rows are `above` the training mean, and `below` it, summed over all rows.

        A row's deviation is the mean over its pixels or points.
        """
        values = np.concatenate([array.reshape(len(array), -1, self.count) for array in arrays])
        # the numbers of a feature side by side: numpy is slow along a short last axis
        far = np.array(values[:, :, : len(self.features)].transpose(2, 0, 1), np.float64, order="C")
        far = far.reshape(len(self.features), -1)
        with np.errstate(over="ignore"):
            far -= self.mean[:, np.newaxis]
            far /= self.scale[:, np.newaxis]
        np.clip(far, -FARTHEST, FARTHEST, out=far)
        shift = far.sum(axis=1) / values.shape[1]
        distance = np.abs(far, out=far).sum(axis=1) / values.shape[1]
        # rounding may leave less than zero
        sums = {"above": np.maximum(distance + shift, 0.0) / 2, "below": np.maximum(distance - shift, 0.0) / 2}
        return {
            (feature, direction): amount
            for direction, amounts in sums.items()
            for feature, amount in zip(self.features, amounts.tolist(), strict=True)
        }


def training(manifest: Manifest) -> Training | None:
    """The statistics in the manifest; None for a bundle of a release that did not keep them."""
    statistics = manifest.input_statistics
    if statistics is None:
        return None
    count = len(statistics.mean)
    mean, std = np.array(statistics.mean[:MOST_FEATURES]), np.array(statistics.std[:MOST_FEATURES])
    names = manifest.feature_names or tuple(map(str, range(count)))
    return Training(manifest.inputs[0].name, names[:MOST_FEATURES], count, mean, scale(mean, std))


def scale(mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """What a deviation is counted in: 1 where the feature was constant, as what is less than rounding shows."""
    return np.where(std > np.finfo(np.float32).eps * np.abs(mean), std, 1.0)


def features(manifest: Manifest) -> int:
    """How many features or channels the first input has."""
    shape = manifest.inputs[0].shape[1:]
    if manifest.kind == "rows":
        return shape[0]
    return shape[-1] if has_channels(manifest.kind, shape) else 1
