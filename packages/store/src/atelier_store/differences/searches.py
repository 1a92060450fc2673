"""What differs between two searches: what was asked, on what, with what, what came of it and what it cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from atelier_store.curve import read_curve
from atelier_store.differences import specs, trials
from atelier_store.differences.difference import Difference, compared, compared_each
from atelier_store.differences.subjects import SearchSubject
from atelier_store.layout import Store
from atelier_store.ranking import rank
from atelier_store.records import Card, DataDescription, Epoch, Leaderboard, LeaderboardEntry, TrialConfig
from atelier_store.spec import Spec

STEPS = 4
"""At so many equal steps of the cost, two searches are laid beside each other."""


@dataclass(frozen=True)
class SharedTrial:
    """A trial that both searches have: its key, and its name in each."""

    key: str
    a: str
    b: str


@dataclass(frozen=True)
class EqualCost:
    """The best value of the objective that each search had seen when it had spent this many epochs."""

    epochs: int
    a: float
    b: float


@dataclass(frozen=True)
class SearchDifferences:
    """What differs between two searches, and what they have in common.

    restated names what the specs only spell otherwise. at_equal_cost is empty if the objectives differ, or if a search
    has trained nothing; same_rows says whether its values are of the same validation rows.
    """

    differences: list[Difference]
    restated: list[str]
    shared_trials: list[SharedTrial]
    at_equal_cost: list[EqualCost]
    same_rows: bool


def compare(
    store: Store, a: SearchSubject, b: SearchSubject, ranked: Callable[[Store, Spec], Leaderboard] = rank
) -> SearchDifferences:
    """What differs between two searches. Hashes every bundle, as a leaderboard does, unless ranked does otherwise."""
    one, other = _read(store, a, ranked), _read(store, b, ranked)
    asked = specs.compare(a.spec, b.spec)
    shared = [SharedTrial(key, one.names[key], other.names[key]) for key in one.names if key in other.names]
    same_rows = one.rows == other.rows and len(one.rows) == 1
    found = [*asked.differences, *_compare(one, other)]
    return SearchDifferences(found, asked.restated, shared, _at_equal_cost(one, other), same_rows)


@dataclass(frozen=True)
class _Search:
    """A search as the store has it: its trials by key, as far as they have begun."""

    spec: Spec
    board: Leaderboard
    names: dict[str, str]
    configs: dict[str, TrialConfig]
    cards: dict[str, Card]
    curves: dict[str, list[Epoch]]
    data: list[DataDescription]

    @property
    def best(self) -> LeaderboardEntry | None:
        return next((entry for entry in self.board.entries if entry.rank == 1), None)

    @property
    def rows(self) -> set[tuple[str, float, int | None, int]]:
        """What decides on which rows its trials were validated."""
        return {(c.data_digest, c.validation_fraction, c.folds, c.seed) for c in self.configs.values()}


def _read(store: Store, subject: SearchSubject, ranked: Callable[[Store, Spec], Leaderboard]) -> _Search:
    board = ranked(store, subject.spec)
    names = {entry.key: entry.trial for entry in board.entries if entry.key}
    paths = {key: store.trial(key) for key in names}
    configs = {key: config for key in names if (config := TrialConfig.read_if_whole(paths[key].config))}
    cards = {key: card for key in names if (card := Card.read_if_whole(paths[key].card))}
    ended = Leaderboard.read_if_whole(subject.paths.leaderboard)
    curves = {
        key: spent(read_curve(paths[key].metrics), subject.spec, config, ended) for key, config in configs.items()
    }
    digests = sorted({config.data_digest for config in configs.values()})
    data = [one for digest in digests if (one := DataDescription.read_if_whole(store.data(digest).description))]
    return _Search(subject.spec, board, names, configs, cards, curves, data)


def spent(curve: list[Epoch], spec: Spec, config: TrialConfig, ended: Leaderboard | None) -> list[Epoch]:
    """The epochs of a trial that its search has spent: another one may have trained it on.

    Those up to maxEpochs (of a tail, all) that were over before the search was; an epoch that was there when it began
    counts as well.
    """
    most = spec.trainer.max_epochs if config.parent is None else len(curve)
    return [epoch for epoch in curve[:most] if ended is None or epoch.finished_at <= ended.written_at]


def _compare(a: _Search, b: _Search) -> Iterator[Difference]:
    yield from compared("data", "data_digest", _data_digest(a), _data_digest(b))
    yield from compared_each("data", _described(a), _described(b))
    yield from compared_each("code", _code(a), _code(b))
    yield from compared_each("environment", _environment(a), _environment(b))
    yield from compared_each("metrics", _best(a), _best(b), prefix="best.")
    yield from compared_each("cost", _cost(a), _cost(b))


def _data_digest(search: _Search) -> Any:
    return _value([config.data_digest for config in search.configs.values()])


def _described(search: _Search) -> dict[str, Any]:
    return _each_value(map(trials.described, search.data))


def _code(search: _Search) -> dict[str, Any]:
    begun = [(config, search.cards[key]) for key, config in search.configs.items() if key in search.cards]
    of_trials = [(config, card) for config, card in begun if config.is_trained]  # the others are made from some of them
    return _each_value(trials.code(config, card, config.network_digest) for config, card in of_trials)


def _environment(search: _Search) -> dict[str, Any]:
    return _each_value(map(trials.environment, search.cards.values()))


def _each_value(maps: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What maps with the same names hold, under each name."""
    every = [one for one in maps if one]
    return {name: _value([one.get(name) for one in every]) for name in (every[0] if every else ())}


def _value(values: list[Any]) -> Any:
    """The value if all agree, else a list of all; None if there is none."""
    different: list[Any] = []
    for value in values:
        if value not in different:
            different.append(value)
    return None if not different else different[0] if len(different) == 1 else sorted(different, key=str)


def _best(search: _Search) -> dict[str, Any]:
    """The best trial and all that was measured of it."""
    best = search.best
    if best is None or best.key is None:
        return {}
    metrics = search.cards[best.key].metrics if best.key in search.cards else {}
    return {"trial": best.trial, "key": best.key, "architecture": best.architecture, **metrics}


def _cost(search: _Search) -> dict[str, Any]:
    best, epochs = search.best, [epoch for curve in search.curves.values() for epoch in curve]
    statuses = Counter(entry.status for entry in search.board.entries)
    return {
        "trials": len(search.board.entries),
        **{f"trials.{status}": count for status, count in sorted(statuses.items())},
        "epochs": len(epochs),
        "seconds": round(sum(epoch.seconds for epoch in epochs), 3),
        "best.epochs": best and best.epochs,
        "best.params": best and best.params,
        "best.macs": best and best.macs,
        "best.latency_p50_ms": best and best.latency_p50_ms,
    }


def _at_equal_cost(a: _Search, b: _Search) -> list[EqualCost]:
    """The best of both after a quarter, half, three quarters and all of what the shorter one has spent."""
    objectives = [
        (one.spec.experiment.objective.type, one.spec.experiment.objective.objective_metric_name) for one in (a, b)
    ]
    if objectives[0] != objectives[1]:
        return []
    before, after = best_by_cost(a.curves.values(), a.spec), best_by_cost(b.curves.values(), b.spec)
    most = min(len(before), len(after))
    steps = dict.fromkeys(most * step // STEPS for step in range(1, STEPS + 1))
    return [EqualCost(epochs, before[epochs - 1], after[epochs - 1]) for epochs in steps if epochs > 0]


def best_by_cost(curves: Iterable[list[Epoch]], spec: Spec) -> list[float]:
    """The best value so far after each epoch that was spent, in the order of time."""
    objective = spec.experiment.objective
    epochs = sorted((epoch for curve in curves for epoch in curve), key=lambda epoch: epoch.finished_at)
    best: list[float] = []
    for epoch in epochs:
        value = epoch.metrics.get(objective.objective_metric_name)
        if value is None:  # of a search for another objective, and trained again where this one needs it
            continue
        best.append(value if not best or objective.better(value, best[-1]) else best[-1])
    return best
