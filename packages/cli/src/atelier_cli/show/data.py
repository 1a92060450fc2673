"""What a search learns from, in words, before it starts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from atelier_store.records import DataDescription
from atelier_store.spec import has_channels
from atelier_trial.data import Prepared
from numpy.typing import NDArray

MOST_CLASSES = 12
"""So many are shown with their counts; of more only some."""


def data_lines(description: Prepared, train_y: NDArray[Any]) -> Iterator[str]:
    """Shape and targets of the training examples, whose targets are (N,) or (N, T); then what was left out."""
    yield f"{_shape(description)}; {_targets(description, train_y)}"
    yield from description.notes


def _shape(description: DataDescription) -> str:
    kind, shape = description.kind, description.shape
    if kind == "rows":
        return f"rows of {shape[0]:,} features"
    *size, channels = shape if has_channels(kind, shape) else (*shape, 1)
    of = f"pictures of {size[0]:,} x {size[1]:,} pixels" if kind == "images" else f"series of {size[0]:,} steps"
    return of if channels == 1 else f"{of} in {channels:,} channels"


def _targets(description: DataDescription, train_y: NDArray[Any]) -> str:
    if description.labels is None:
        low, high = (", ".join(f"{value:.6g}" for value in of) for of in (train_y.min(0), train_y.max(0)))
        return f"{description.target_name or 'targets'} from {low} to {high}"
    counts = np.bincount(train_y, minlength=len(description.labels)).tolist()
    classes = [f"{label} ({count:,})" for label, count in zip(description.labels, counts, strict=True)]
    if len(classes) <= MOST_CLASSES:
        return f"{len(classes)} classes: {', '.join(classes)}"
    return (
        f"{len(classes):,} classes: {', '.join(classes[:3])}, …, {classes[-1]}; {min(counts):,} to {max(counts):,} each"
    )
