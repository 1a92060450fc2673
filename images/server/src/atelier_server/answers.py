"""Answers as JSON bytes."""

from __future__ import annotations

import msgspec
import numpy as np

from atelier_server.packing import is_finite
from atelier_server.problems import Problem

dump = msgspec.json.Encoder().encode


def check_finite(outputs: np.ndarray, status: int) -> None:
    """Problem with this status if a model gave NaN or infinity, which JSON cannot say."""
    if not is_finite(outputs):
        raise Problem(status, "the model gives no finite number for this input", title="Invalid input")
