"""Statistics of the training rows' inputs: the network standardises its input by them, the server measures drift."""

from __future__ import annotations

from typing import Any

import numpy as np
from atelier_store.records import InputStatistics
from atelier_store.spec import Kind, has_channels
from numpy.typing import NDArray


def input_statistics(x: NDArray[Any], kind: Kind) -> InputStatistics:
    """Of raw training rows x (N, *shape), per channel or feature, in float64."""
    axes: Any = 0 if kind == "rows" else tuple(range(x.ndim - 1)) if has_channels(kind, x.shape[1:]) else None
    mean, std = (np.atleast_1d(of(axes, dtype=np.float64)) for of in (x.mean, x.std))
    return InputStatistics(mean=tuple(mean.tolist()), std=tuple(std.tolist()), count=x.size // mean.size)
