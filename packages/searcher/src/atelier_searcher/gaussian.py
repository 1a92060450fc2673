"""Proposals of a Gaussian process over mixed spaces: of the points that come into question, the best by expected gain.

Steps of numbers are distances, choices differ or do not (Hutter et al. 2011, SMAC); each parameter has a length of its
own in a Matérn 5/2 kernel, with the prior of Hvarfner et al. 2024, Vanilla Bayesian Optimization Performs Great in High
Dimensions. A second kernel counts how often choices are taken by parameters that have the same ones, as the places of a
cell have the same operations: what an operation is worth in one place, it is often worth in others. What else is known
of points, such as scores of untrained networks, is a line in the mean, with a slope that is learnt.

Expected improvement (Jones et al. 1998) in logarithms (Ament et al. 2023) is asked of random points and of the
neighbours of the best trials, as in SMAC. Trials that run are believed to give what is predicted of them (kriging
believer: Ginsbourger et al. 2010).
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize
from scipy.special import erfcx, log_ndtr, ndtri
from threadpoolctl import ThreadpoolController

from atelier_searcher.space import MOST_NEIGHBOURS, Point, Space

Array = NDArray[np.float64]

MOST_MODELLED = 100
"""Trials that are learnt from: the best ones and the last ones, half each; time grows with the cube of their number."""

DRAWN = 2000
"""Random points among the candidates. None is climbed from: what is best of so many differs from seed to seed, and
from trial to trial where little is known, which measures better."""

BEST = 5
"""Trials whose neighbours are candidates."""

NEAR_DRAWS = 4
"""Neighbours of a point along a parameter with more than MOST_NEIGHBOURS values, drawn by a normal distribution."""

NEAR_DEVIATION = 0.1
"""Its deviation, of the parameter's range."""

ITERATIONS = 25
"""Steps in which the lengths are fitted, at most."""

NOISE = (-4.0, 1.0)
"""Mean and deviation of the logarithm of the noise's variance; that of the results is 1."""

BY_VALUES = (0.0, 0.5)
"""The same of what the values of the parameters explain, each in its place."""

BY_COUNTS = (-1.0, 0.5)
"""The same of what counts of shared choices explain."""

COUNTS_LENGTH = (0.0, 1.0)
"""Mean and deviation of the logarithm of the length of these counts."""

LEVEL = 1.0
"""Variance of what all results have in common."""

SLOPE = (1.0, 0.5)
"""What a feature is expected to be worth: the slope of the mean of all features, and the deviation by each of them."""


class Features(Protocol):
    """What else is known of points: `count` numbers for each, about normal, of which more is expected to be better."""

    @property
    def count(self) -> int:
        """How many numbers a point has."""

    @property
    def names(self) -> Sequence[str]:
        """The parameters that they depend on."""

    def __call__(self, points: Sequence[Point]) -> Array:
        """The numbers of points (n, count)."""


def proposals(
    space: Space,
    known: Sequence[Point],
    scores: Array,
    running: Sequence[Point],
    seed: int,
    features: Features | None = None,
    fixed: Point | None = None,
) -> list[Point]:
    """Points of the space, the best first. Scores (n,) are of the known points: more is better, and their order counts.

    Where nothing is known, those are the best that features promise, if there are any, and that are not alike. fixed:
    values that all of them have. Equal arguments give equal points: one thread computes, for so small matrices faster
    than several.
    """
    with _threads().limit(limits=1, user_api="blas"):
        return _proposals(space, known, scores, running, seed, features, fixed)


@lru_cache(maxsize=1)
def _threads() -> ThreadpoolController:
    return ThreadpoolController()


def _proposals(
    space: Space,
    known: Sequence[Point],
    scores: Array,
    running: Sequence[Point],
    seed: int,
    features: Features | None,
    fixed: Point | None,
) -> list[Point]:
    chosen = modelled(scores)
    points, results = [known[n] for n in chosen], normal_scores(scores)[chosen]
    encoding = Encoding(space.distributions, space.sharing, features)
    model = Model(encoding, encoding(points), results)
    if running:
        model = model.believing(encoding(running))
    draw = random.Random(seed)  # noqa: S311  # no secret
    best = [points[n] for n in np.argsort(-results, kind="stable")[:BEST]]
    found = [_drawn(space, draw) for _ in range(DRAWN)] + [near for point in best for near in _near(space, point, draw)]
    if fixed:
        found = [point | fixed for point in found]
    gains = model.gains(encoding(found))
    return [found[n] for n in np.argsort(-gains, kind="stable")]


def normal_scores(scores: Array) -> Array:
    """The quantiles of a normal distribution at the places of the scores; equal ones share the middle of theirs."""
    ascending = np.sort(scores)
    places = (np.searchsorted(ascending, scores) + np.searchsorted(ascending, scores, "right")) / 2
    quantiles: Array = ndtri(places / max(1, len(scores)))
    return quantiles


def modelled(scores: Array) -> list[int]:
    """The places of the trials that are learnt from, in their order."""
    if len(scores) <= MOST_MODELLED:
        return list(range(len(scores)))
    half = MOST_MODELLED // 2
    best = set(np.argsort(-scores, kind="stable")[:half].tolist())
    others = [n for n in range(len(scores)) if n not in best]
    return sorted([*best, *others[-half:]])


@dataclass(frozen=True)
class Encoded:
    """Points as rows of numbers: values of their parameters, counts of choices that parameters share, and features."""

    values: Array
    counts: Array
    features: Array

    def __add__(self, other: Encoded) -> Encoded:
        """The rows of both."""
        pairs = (self.values, other.values), (self.counts, other.counts), (self.features, other.features)
        return Encoded(*(np.concatenate(pair) for pair in pairs))


class Encoding:
    """Points as rows of numbers. A value is from 0 to 1; two choices are as far apart as the ends of a number.

    parameter has the place of the parameter that a column of values belongs to; count is how many there are. sharing
    has the names of parameters with the same values, such as the operations of several places.
    """

    def __init__(
        self,
        distributions: Mapping[str, BaseDistribution],
        sharing: Sequence[Sequence[str]] = (),
        features: Features | None = None,
    ) -> None:
        self._distributions, self._sharing, self._features = distributions, sharing, features
        widths = [len(d.choices) if isinstance(d, CategoricalDistribution) else 1 for d in distributions.values()]
        self.parameter = np.repeat(np.arange(len(widths)), widths)
        self.count = len(widths)

    def __call__(self, points: Sequence[Point]) -> Encoded:
        columns = {name: _columns(of, [p[name] for p in points]) for name, of in self._distributions.items()}
        counts = [np.mean([columns[name] for name in names], axis=0) for names in self._sharing]
        none = np.zeros((len(points), 0))
        return Encoded(
            values=np.concatenate(list(columns.values()), axis=1),
            counts=np.concatenate([none, *counts], axis=1) * math.sqrt(self.count),
            features=none if self._features is None else self._features(points),
        )


def _columns(distribution: BaseDistribution, values: Sequence[Any]) -> Array:
    """Values of a parameter as numbers (n, 1), or (n, choices)."""
    if not isinstance(distribution, CategoricalDistribution):
        return _unit(distribution, np.array(values, np.float64))[:, None]
    places = {choice: place for place, choice in enumerate(distribution.choices)}
    taken = np.array([places[value] for value in values], np.int64)
    return np.where(taken[:, None] == np.arange(len(places)), math.sqrt(0.5), 0.0)


def _unit(distribution: BaseDistribution, values: Array) -> Array:
    """Numbers as shares of their range."""
    assert isinstance(distribution, (IntDistribution, FloatDistribution))
    low, high = float(distribution.low), float(distribution.high)
    if low == high:
        return np.zeros(len(values))
    if distribution.log:
        return np.asarray(np.log(values / low) / math.log(high / low))
    return (values - low) / (high - low)


class Model:
    """A Gaussian process over encoded points, fitted to results (n,), whose variance is 1; of none, what is expected.

    logs are logarithms: the length of each parameter, the variances by values and by counts, the length of counts, and
    the noise's variance.
    """

    def __init__(self, encoding: Encoding, points: Encoded, results: Array, logs: Array | None = None) -> None:
        self._encoding, self._points, self._results = encoding, points, results
        self._logs = _fitted(encoding, points, results - _expected(points)) if logs is None else logs
        kernel = self._kernel(points, points)
        kernel[np.diag_indices_from(kernel)] += np.exp(self._logs[-1])
        self._factor = np.linalg.cholesky(kernel)
        self._weights = cho_solve((self._factor, True), results - _expected(points)) if len(results) else results
        self._best = float(self.predict(points)[0].max()) if len(results) else 0.0

    def _kernel(self, a: Encoded, b: Encoded) -> Array:
        lengths, (by_values, by_counts, counts_length, _) = self._logs[:-4], np.exp(self._logs[-4:])
        scale = np.exp(-lengths)[self._encoding.parameter]
        kernel: Array = LEVEL + by_values * _matern(squares(a.values * scale, b.values * scale))
        if a.counts.shape[1]:
            kernel += by_counts * _matern(squares(a.counts, b.counts) / counts_length**2)
        kernel += SLOPE[1] ** 2 * a.features @ b.features.T
        return kernel

    def _variance(self, points: Encoded) -> Array:
        """The kernel of each point with itself."""
        by_values, by_counts = np.exp(self._logs[-4:-2])
        same = LEVEL + by_values + (by_counts if points.counts.shape[1] else 0)
        return np.asarray(same + SLOPE[1] ** 2 * (points.features**2).sum(axis=1))

    def predict(self, points: Encoded) -> tuple[Array, Array]:
        """Mean and deviation at points."""
        cross = self._kernel(points, self._points)
        half = solve_triangular(self._factor, cross.T, lower=True) if len(self._results) else cross.T
        variance = self._variance(points) - (half**2).sum(axis=0)
        return _expected(points) + cross @ self._weights, np.sqrt(np.maximum(variance, 1e-12))

    def believing(self, points: Encoded) -> Model:
        """The model if these points gave what it predicts of them."""
        results = np.concatenate([self._results, self.predict(points)[0]])
        return Model(self._encoding, self._points + points, results, self._logs)

    def gains(self, points: Encoded) -> Array:
        """The logarithm of the expected improvement at points."""
        mean, deviation = self.predict(points)
        return log_gain((mean - self._best) / deviation) + np.log(deviation)


def _expected(points: Encoded) -> Array:
    """What features lead to expect, before there are results."""
    features = points.features
    return SLOPE[0] * features.mean(axis=1) if features.shape[1] else np.zeros(len(features))


def squares(a: Array, b: Array) -> Array:
    """Squared distances between the rows of two arrays."""
    apart: Array = np.maximum((a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2 * a @ b.T, 0)
    return apart


def _matern(squares: Array) -> Array:
    """Matérn 5/2 of squared distances."""
    return _matern_and_fall(squares)[0]


def _matern_and_fall(squares: Array) -> tuple[Array, Array]:
    """Matérn 5/2 of squared distances, and how fast it falls with them."""
    root = np.sqrt(5 * squares)
    decay = np.exp(-root)
    return (1 + root + root**2 / 3) * decay, (1 + root) * decay * (5 / 6)


def log_gain(z: Array) -> Array:
    """log(phi(z) + z Phi(z)), also where both are too small for a float."""
    c = math.log(2 * math.pi) / 2
    low = np.minimum(z, -1.0)
    ratio = math.sqrt(math.pi / 2) * erfcx(-low / math.sqrt(2))  # Phi(z) / phi(z)
    with np.errstate(divide="ignore", invalid="ignore"):
        tail = -(low**2) / 2 - c + np.log1p(np.maximum(low * ratio, -1 + 1e-12))
    high = np.maximum(z, -1.0)
    plain = np.log(np.exp(-(high**2) / 2 - c) + high * np.exp(log_ndtr(high)))
    gains: Array = np.where(z < -1, tail, plain)
    return gains


def _fitted(encoding: Encoding, points: Encoded, results: Array) -> Array:
    """The logarithms of a model where the posterior density of the results is highest; of none, their priors' means."""
    count, priors = encoding.count, np.array([BY_VALUES, BY_COUNTS, COUNTS_LENGTH, NOISE])
    middle = np.append(np.full(count, math.sqrt(2) + math.log(count) / 2), priors[:, 0])
    deviation = np.append(np.full(count, math.sqrt(3)), priors[:, 1])
    if not len(results):
        return middle
    parts = [points.values[:, encoding.parameter == place] for place in range(count)]
    by_parameter = np.stack([squares(part, part) for part in parts])
    by_count = squares(points.counts, points.counts)
    identity = np.eye(len(results))
    common = LEVEL + SLOPE[1] ** 2 * points.features @ points.features.T + 1e-8 * identity
    has_counts = points.counts.shape[1] > 0

    def loss(logs: Array) -> tuple[float, Array]:
        inverse = np.exp(-2 * logs[:count])
        values_variance, counts_variance, counts_length, noise = np.exp(logs[count:])
        values, values_fall = _matern_and_fall(np.tensordot(inverse, by_parameter, 1))
        counts, counts_fall = _matern_and_fall(by_count / counts_length**2)
        counts_variance *= has_counts
        kernel = common + values_variance * values + counts_variance * counts + noise * identity
        factor = cho_factor(kernel, lower=True)
        weights = cho_solve(factor, results)
        value = results @ weights / 2 + np.log(np.diag(factor[0])).sum()
        outer = cho_solve(factor, identity) - np.outer(weights, weights)
        gradient = np.append(
            inverse * np.tensordot(by_parameter, outer * values_variance * values_fall, 2),
            [
                (outer * values_variance * values).sum() / 2,
                (outer * counts_variance * counts).sum() / 2,
                (outer * counts_variance * counts_fall * by_count).sum() / counts_length**2,
                noise * np.trace(outer) / 2,
            ],
        )
        away = (logs - middle) / deviation
        return float(value + (away**2).sum() / 2), gradient + away / deviation

    start = np.append(np.full(count, math.log(count) / 2), priors[:, 0])
    bounds = [(-4.0, 8.0)] * count + [(-7.0, 3.0), (-7.0, 3.0), (-4.0, 5.0), (-9.0, 1.0)]
    fitted = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": ITERATIONS})
    logs: Array = fitted.x
    return logs


# points


def _drawn(space: Space, draw: random.Random) -> Point:
    return {name: _value_at(distribution, draw.random()) for name, distribution in space.distributions.items()}


def _value_at(distribution: BaseDistribution, share: float) -> Any:
    """The value at a share of the range; each step of a number has as much of it as another."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[min(int(share * len(distribution.choices)), len(distribution.choices) - 1)]
    assert isinstance(distribution, (IntDistribution, FloatDistribution))
    low, high = distribution.low, distribution.high
    if distribution.log:
        value = min(max(math.exp(math.log(low) + share * math.log(high / low)), low), high)
        return round(value) if isinstance(distribution, IntDistribution) else value
    if distribution.step is None:
        return low + share * (high - low)
    steps = math.floor((high - low) / distribution.step + 1e-9)
    return low + min(int(share * (steps + 1)), steps) * distribution.step


def _near(space: Space, point: Point, draw: random.Random) -> list[Point]:
    """Points that differ by one parameter: all of its other values if they are few, else some near its value."""
    return [
        {**point, name: value}
        for name, distribution in space.distributions.items()
        for value in _near_values(distribution, point[name], draw)
        if value != point[name]
    ]


def _near_values(distribution: BaseDistribution, value: Any, draw: random.Random) -> Iterator[Any]:
    if isinstance(distribution, CategoricalDistribution):
        yield from distribution.choices
        return
    assert isinstance(distribution, (IntDistribution, FloatDistribution))
    if distribution.single():
        return
    step = distribution.step
    if not distribution.log and step is not None:
        steps = math.floor((distribution.high - distribution.low) / step + 1e-9)
        if steps < MOST_NEIGHBOURS:
            yield from (distribution.low + n * step for n in range(steps + 1))
            return
    share = float(_unit(distribution, np.array([value], np.float64))[0])
    for _ in range(NEAR_DRAWS):
        yield _value_at(distribution, min(max(draw.gauss(share, NEAR_DEVIATION), 0.0), 1.0))
