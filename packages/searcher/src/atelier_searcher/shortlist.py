"""Suggestions from scores of untrained networks, and near what won; proxies that mislead are dropped.

Zero-cost proxies lead to good networks in a tenth of the trainings (Abdelfattah et al. 2021) where they tell anything,
which only results can say. So one suggestion in four is not theirs, and they are trusted only while those of better
score turn out better.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np
from atelier_store.records import Candidate
from atelier_store.spec import Proxy, Spec
from numpy.typing import NDArray
from scipy.special import ndtri

from atelier_searcher import gaussian, sampling
from atelier_searcher.history import History, Trial
from atelier_searcher.space import Point, Space

OPENING = 10
"""Results that are known before the search goes on near the best of them."""

EVERY = 4
"""One of so many suggestions is not where scores or results point."""

DRAWN = "drawn from the shortlist, to tell what its scores are worth"

MOST_NEAR = 500
"""Points around the best trial, nearest first, that come into question."""

LEAST_RESULTS = 6
"""Results of scored networks, below which nothing is said of the proxies."""

FALLS = 4.0
"""How fast the weight of a scored network falls with its squared distance; two other choices are 1 apart."""

RIDGE = 1.0
"""Of the line: what a slope has to be worth, in squared quantiles, for each of its squares."""

SAME = 1e-9
"""Squared distance of networks, below which they are the same."""


@dataclass(frozen=True)
class Shortlist:
    """Untrained networks with their scores, in the order in which they were drawn from the space, at random."""

    candidates: tuple[Candidate, ...]

    @cached_property
    def is_scored(self) -> bool:
        """Whether there is a score; there is none where no network can be built."""
        return any(candidate.scores for candidate in self.candidates)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The parameters that the scores are of."""
        return tuple(self.candidates[0].params) if self.candidates else ()

    @cached_property
    def best(self) -> list[dict[str, str]]:
        """The networks, the best by their scores first; equal ones in the order of their drawing."""
        order = np.argsort(-self._aggregated, kind="stable")
        return [self.candidates[index].params for index in order]

    def score(self, params: Mapping[str, str]) -> float | None:
        """The score of a trial's network by all proxies, if it was scored."""
        return self._scores.get(self._network(params))

    def _network(self, params: Mapping[str, str]) -> tuple[str | None, ...]:
        return tuple(params.get(name) for name in self.names)

    @cached_property
    def _scores(self) -> dict[tuple[str | None, ...], float]:
        return {
            self._network(candidate.params): float(score)
            for candidate, score in zip(self.candidates, self._aggregated, strict=True)
        }

    @cached_property
    def _aggregated(self) -> NDArray[np.float64]:
        return aggregate([candidate.scores for candidate in self.candidates])


def aggregate(scores: Sequence[Mapping[Proxy, float]]) -> NDArray[np.float64]:
    """One score (N,) of N networks: the sum over proxies of log(rank / N), where the best has rank N.

    So a network that is poor by one proxy is poor (Lee and Ham 2024, AZ-NAS: Assembling Zero-Cost Proxies for Network
    Architecture Search, eq. 14). Who has no score by a proxy is the last by it.
    """
    total = np.zeros(len(scores))
    for proxy in sorted({proxy for of in scores for proxy in of}):
        values = np.array([of.get(proxy, -np.inf) for of in scores])
        total += np.log(ranked(values) / len(values))
    return total


def ranked(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rank of each value, from 1 for the least; equal values share the mean of theirs."""
    ascending = np.sort(values)
    ranks: NDArray[np.float64] = (
        np.searchsorted(ascending, values) + np.searchsorted(ascending, values, "right") + 1
    ) / 2
    return ranks


class Features:
    """What scores say of points, which the Gaussian process may believe or not: a number by each proxy.

    A network that was scored has the quantile of a normal distribution at the place of its score among all. Another has
    what a line through these says of it (ridge regression), and what those near it are off the line, each with a weight
    that falls with its squared distance (Nadaraya 1964).
    """

    def __init__(self, shortlist: Shortlist, space: Space) -> None:
        scores = [candidate.scores for candidate in shortlist.candidates]
        proxies = sorted({proxy for of in scores for proxy in of})
        by_proxy = [ranked(np.array([of.get(proxy, -np.inf) for of in scores])) for proxy in proxies]
        self.count, self.names = len(proxies), shortlist.names
        self._encoding = gaussian.Encoding({name: space.distributions[name] for name in shortlist.names})
        self._scored = self._encoding([space.point(candidate.params) for candidate in shortlist.candidates]).values
        quantiles = ndtri((np.stack(by_proxy, axis=1) - 0.5) / len(scores))
        columns = self._scored - self._scored.mean(axis=0)
        square = columns.T @ columns + RIDGE * np.eye(columns.shape[1])
        self._slopes: NDArray[np.float64] = np.linalg.solve(square, columns.T @ quantiles)
        self._off = quantiles - self._scored @ self._slopes

    def __call__(self, points: Sequence[Point]) -> NDArray[np.float64]:
        """The numbers of points (n, count)."""
        values = self._encoding(points).values
        apart = gaussian.squares(values, self._scored)
        least = apart.min(axis=1)
        weights = np.exp(-FALLS * (apart - least[:, None]))
        off: NDArray[np.float64] = weights @ self._off / weights.sum(axis=1, keepdims=True)
        is_scored = least < SAME
        off[is_scored] = self._off[apart[is_scored].argmin(axis=1)]
        return values @ self._slopes + off


def points(spec: Spec, space: Space, history: History, shortlist: Shortlist) -> Iterator[tuple[Point, str]]:
    """Points for the next trial, the best first, each with the reason; none where the algorithm is to suggest.

    First the best of the shortlist, and some of it at random, which tell what the scores are worth; then what is near
    the best trial; neither while the scores mislead. Parameters without a score have the values of the algorithm. An
    algorithm that is told the scores suggests itself.
    """
    if not shortlist.is_scored or sampling.is_modelled(spec):
        return
    number, ranks = len(history), sampling.standing(spec, history)
    turn, trust = number % EVERY == EVERY - 1, trusted(ranks, history, shortlist)
    others = _others(spec, space, history, shortlist)
    if len(ranks) < OPENING:
        if turn:
            for candidate in shortlist.candidates[number // EVERY :]:
                yield space.ordered(others | space.point(candidate.params)), DRAWN
        elif trust:
            for place, network in enumerate(shortlist.best, 1):
                yield space.ordered(others | space.point(network)), f"{place} of {len(shortlist.best)} on the shortlist"
    elif trust and not turn:
        best = history[max(ranks, key=lambda n: ranks[n])]
        for near in islice(_around(spec, shortlist.names, best, sampling.seed_of(spec) + number), MOST_NEAR):
            yield space.ordered(others | near), f"near {best.key}, the best so far"


def trusted(ranks: Mapping[int, float], history: History, shortlist: Shortlist) -> bool:
    """Whether networks of better score turned out better, or too few are known to tell; ranks are from `standing`."""
    scored = [(score, ranks[n]) for n in ranks if (score := shortlist.score(history[n].params)) is not None]
    if len(scored) < LEAST_RESULTS:
        return True
    scores, results = (ranked(np.array(side)) for side in zip(*scored, strict=True))
    return bool(np.cov(scores, results)[0, 1] >= 0)  # the sign of Spearman's correlation; 0 where all are equal


def _others(spec: Spec, space: Space, history: History, shortlist: Shortlist) -> Point:
    """The algorithm's values of the parameters that were not scored."""
    if all(parameter.name in shortlist.names for parameter in spec.experiment.parameters):
        return {}
    proposed = next(sampling.proposals(spec, space, history))
    return {name: value for name, value in proposed.items() if name not in shortlist.names}


def _around(spec: Spec, names: Sequence[str], best: Trial, seed: int) -> Iterator[Point]:
    """The networks around that of a trial, nearest first."""
    space = Space([parameter for parameter in spec.experiment.parameters if parameter.name in names])
    return space.around(space.point({name: best.params[name] for name in names}), seed)
