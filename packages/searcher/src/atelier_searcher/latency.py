"""The latency of a network before it is trained, foretold from those that the search has measured.

A network takes the sum of what its operations take, so latency is a line through the counts of its operations, none of
which takes less than nothing (as in nn-Meter, Zhang et al. 2021, where kernels are foretold one by one). The line is
drawn through what was measured on one machine, and is believed as far as it foretells each of these from the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from atelier_store.in_words import counted
from numpy.typing import NDArray
from scipy.optimize import nnls

FEWEST = 8
"""Networks that have to be measured before any is foretold."""

MOST = 100
"""Networks that are learnt from, the last ones: each is foretold from the others at every suggestion."""

SURE = 0.9
"""The share of the measured networks of which no more than the margin too much is foretold."""

LARGEST_MARGIN = 1.65
"""Where it would be larger, nothing is foretold: a network is measured before it is trained."""

LEAST_CORRELATION = 0.5
"""Of the logarithms of what is foretold of each network from the others and what was measured."""

RIDGE = 0.1
"""Of the largest count, what holds back an operation of which few networks have many."""


@dataclass(frozen=True)
class Measured:
    """The latency of a network in milliseconds, on which machine, and the counts of its operations, as pairs."""

    operations: tuple[tuple[str, float], ...]
    ms: float
    machine: str


@dataclass(frozen=True)
class Foretold:
    """A latency in milliseconds, from how many networks it is known, and by which factor it may be too much."""

    ms: float
    networks: int
    margin: float

    def over(self, bound: float) -> str | None:
        """Why the network is surely over a bound in milliseconds; None if it may be within it."""
        if self.ms <= bound * self.margin:
            return None
        return f"latencyMs {self.words} > {bound:,}"

    @property
    def words(self) -> str:
        return (
            f"{self.ms:.3g} foretold from {counted(self.networks, 'network')}, at most {self.margin:.2f} times too much"
        )


@dataclass(frozen=True)
class Line:
    """What each operation takes; margin: by which factor it foretells too much of one network from the others."""

    names: tuple[str, ...]
    milliseconds: NDArray[np.float64]
    networks: int
    margin: float

    def foretell(self, operations: Mapping[str, float] | None) -> Foretold | None:
        """The latency of a network with these operations; None if they are not known, or none measured has one."""
        if operations is None or any(name not in self.names for name in operations):
            return None
        counts = np.array([1.0, *(operations.get(name, 0.0) for name in self.names)])
        return Foretold(float(counts @ self.milliseconds), self.networks, self.margin)


def line(measured: Sequence[Measured]) -> Line | None:
    """The line through what the machine has measured that measured last; None if it is not to be believed."""
    of_one = {one.operations: one for one in measured if one.machine == measured[-1].machine}  # equal networks once
    return _line(tuple(of_one.values())[-MOST:]) if len(of_one) >= FEWEST else None


@lru_cache(maxsize=8)
def _line(measured: tuple[Measured, ...]) -> Line | None:
    names = tuple(sorted({name for one in measured for name, _ in one.operations}))
    counts = np.array([[1.0, *(dict(one.operations).get(name, 0.0) for name in names)] for one in measured])
    times = np.array([one.ms for one in measured])
    others = ~np.eye(len(times), dtype=bool)
    foretold = np.array([counts[i] @ _through(counts[rest], times[rest]) for i, rest in enumerate(others)])
    margin = max(1.0, float(np.quantile(foretold / times, SURE, method="higher")))
    if margin > LARGEST_MARGIN or not _agree(foretold, times):
        return None
    return Line(names, _through(counts, times), len(times), margin)


def _agree(foretold: NDArray[np.float64], times: NDArray[np.float64]) -> bool:
    """Whether what is foretold rises with what is measured: few networks may be within a margin by luck."""
    logs = np.log(np.maximum(foretold, 1e-9)), np.log(times)
    return min(map(np.ptp, logs)) > 0 and float(np.corrcoef(*logs)[0, 1]) >= LEAST_CORRELATION


def _through(counts: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each operation takes, by relative errors: half of a short latency is as much as half of a long one."""
    scale = np.where((largest := counts.max(0)) > 0, largest, 1.0)
    rows = counts / scale / times[:, None]
    held = RIDGE * float(np.median(rows.max(1))) * np.eye(counts.shape[1])
    found, _ = nnls(np.vstack([rows, held]), np.concatenate([np.ones(len(times)), np.zeros(counts.shape[1])]))
    return np.asarray(found / scale)
