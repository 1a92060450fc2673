"""What every codec makes of a request."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Arrays = dict[str, np.ndarray]
"""Rows by the name of an input or output."""


@dataclass(frozen=True)
class Inference:
    """A decoded request: arrays by input, and the outputs to return, each as bytes or not."""

    id: str | None
    inputs: Arrays
    outputs: dict[str, bool]
