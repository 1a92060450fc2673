"""Networks for rows whose piecewise-linear embedding chooses its bins by the training rows (`piecewise_auto`).

Of a column that is zero in nine of ten rows, nearly all ordinary quantiles are zero, and the rest has no bins. Here a
value that would fill a bin by itself counts as one bin, as in LightGBM's histograms (Ke et al. 2017), and more rows
have more bins. This file's digest is in the key of every trial with this embedding: an edit makes other networks.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from atelier_trial.space import row_domains
from numpy.typing import NDArray

from atelier_trainer.row_networks import EMBEDDING_RATE, PiecewiseLinear, RowNetwork

MOST = 512
"""A number never has more bins: so many are worth it for 262,144 rows."""

DECIMALS = 6
"""Scaled numbers that are the same to so many decimals have no bin between them."""

BELOW = 1 - 1e-9
"""A bin ends so little before its share is full: rounding must not make it end at the value after a frequent one."""


def build(
    params: dict[str, Any], inputs: int, outputs: int, rows: NDArray[np.float32], numbers: int | None = None
) -> RowNetwork:
    """As `row_networks.build`, of params whose embedding is piecewise_auto."""
    chosen = {name: domain.default for name, domain in row_domains().items()} | params | {"embedding": "piecewise"}
    network = RowNetwork(chosen, inputs, outputs, rows, inputs if numbers is None else numbers)
    if network.numbers:
        scaled = network.scaling(torch.from_numpy(rows[:, : network.numbers])).numpy()
        rate = EMBEDDING_RATE if chosen["parametrisation"] == "ntk" else 1.0
        network.embedding = PiecewiseLinear([edges(column) for column in scaled.T], chosen["embedding_width"], rate)
    return network


def edges(column: NDArray[np.float32]) -> NDArray[np.float32]:
    """The edges of the bins of one number (n,), ascending: as many bins as the square root of n, at most MOST.

    Every value is an edge if that makes no more bins. Otherwise edges are quantiles, of rows in which no value has more
    than one bin's share. Two edges at least: of a constant column, a bin of width 1.
    """
    most = min(MOST, max(2, math.isqrt(len(column))))
    values, rows = np.unique(np.round(column.astype(np.float64), DECIMALS).astype(np.float32), return_counts=True)
    if len(values) == 1:
        return np.array([values[0], values[0] + 1], dtype=np.float32)
    if len(values) <= most + 1:
        return values
    weights = np.minimum(rows, share_of_a_bin(rows, most))
    shares = np.linspace(0, 1, most + 1) * BELOW
    return np.unique(np.quantile(values, shares, weights=weights, method="inverted_cdf"))


def share_of_a_bin(rows: NDArray[np.int64], most: int) -> float:
    """The rows of one of `most` bins for more values than that, where a value with more rows (V,) counts as one bin."""
    frequent = np.zeros(len(rows), dtype=bool)
    while True:
        share = float(rows[~frequent].sum() / (most - frequent.sum()))
        if not (rows[~frequent] > share).any():
            return share
        frequent = rows > share
