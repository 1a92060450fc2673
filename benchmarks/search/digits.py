"""scikit-learn's digits as rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits


def rows() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The 1,797 pictures as rows of 64 numbers, and their digits."""
    digits = load_digits()
    return digits.data.astype(np.float32), digits.target.astype(np.int64)
