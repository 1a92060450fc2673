"""Progress of the search for the served model, looked up in the index of its experiment at a scrape."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import get_args

from atelier_store.index import Index
from atelier_store.layout import ModelPaths, Store
from atelier_store.records import Search, Status
from atelier_store.spec import Objective, Spec
from atelier_store.trial_rows import CardRow, TrialRow
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

WAITING = "waiting"
"""Status of a trial that has no card yet."""

LOST_AFTER = 600.0
"""Seconds without a sign of life, which a wait gives every minute and a training trial more often."""

log = logging.getLogger(__name__)


class SearchMetrics(Collector):
    """Empty while there is no search.json, as on a laptop. Cached for keep seconds: reading a store may be slow."""

    def __init__(self, paths: ModelPaths, keep: float = 10.0) -> None:
        self._paths, self._keep = paths, keep
        self._lock, self._until = threading.Lock(), 0.0
        self._families: list[GaugeMetricFamily] = []
        self._index: tuple[str, Index] | None = None

    def collect(self) -> list[GaugeMetricFamily]:
        with self._lock:
            if time.monotonic() >= self._until:
                self._families = self._read()
                self._until = time.monotonic() + self._keep
            return self._families

    def _read(self) -> list[GaugeMetricFamily]:
        try:
            search = Search.read_if_whole(self._paths.search)
            return list(_families(self._paths, search, self._rows(search.experiment))) if search else []
        except OSError as error:
            log.warning("no metrics of the search: %s: %s", error.filename, error.strerror)
            return []

    def _rows(self, experiment: str) -> list[TrialRow]:
        """The trials of the experiment whose record is whole."""
        store = self._paths.store
        if self._index is None or self._index[0] != experiment:
            self._index = experiment, Index(store, store.experiment(experiment))
        return [row for row in self._index[1].rows() if row.damage is None]


def _families(paths: ModelPaths, search: Search, rows: list[TrialRow]) -> Iterator[GaugeMetricFamily]:
    store, name = paths.store, search.experiment
    running = search.state == "running" and _is_attended(paths, rows)
    yield _gauge("atelier_search_running", "1 while the search is waited for, else 0.", name, running)
    yield _gauge(
        "atelier_search_promotion_failed",
        "1 if the search or its promotion failed, else 0.",
        name,
        search.state == "failed",
    )
    yield _gauge(
        "atelier_search_winner_refused",
        "1 if the search's winner is worse than the model that is served, else 0.",
        name,
        search.state == "refused",
    )
    yield _gauge(
        "atelier_search_winner_waiting",
        "1 if the search's winner waits for a person to say whether it is served, else 0.",
        name,
        search.state == "waiting",
    )
    yield _gauge(
        "atelier_search_last_progress_timestamp_seconds",
        "When a trial last began or ended an epoch; before the first, when the wait began.",
        name,
        _last_progress(store, rows) or _moment(search.updated_at),
    )
    trials = GaugeMetricFamily("atelier_search_trials", "Trials by status.", labels=["experiment", "status"])
    counts = Counter(map(_status, rows))
    for status in (*get_args(Status), WAITING):
        trials.add_metric([name, status], counts[status])
    yield trials
    objective = _objective(store, name)
    cards = [row.card for row in rows if isinstance(row.card, CardRow)]
    values = [card.value for card in cards if card.value is not None and _is_of(card, objective)]
    if objective and values:
        best = GaugeMetricFamily("atelier_search_best_objective", "Best value so far.", labels=["experiment", "metric"])
        best.add_metric([name, objective.objective_metric_name], min(values, key=objective.rank_key))
        yield best


def _gauge(name: str, documentation: str, experiment: str, value: float) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, documentation, labels=["experiment"])
    gauge.add_metric([experiment], value)
    return gauge


def _status(row: TrialRow) -> str:
    """The card's status, or what its absence means: a trial without a key had invalid parameters."""
    if row.key is None:
        return "failed"
    return row.card.status if isinstance(row.card, CardRow) else WAITING


def _last_progress(store: Store, rows: list[TrialRow]) -> float:
    """When a trial began, ended an epoch, or, which is soon after its last one, ended."""
    ended = max((row.card.updated_at for row in rows if _has_ended(row) and isinstance(row.card, CardRow)), default="")
    unfinished = [store.trial(row.key).metrics for row in rows if row.key is not None and not _has_ended(row)]
    return max([row.recorded_at for row in rows] + list(map(_written, unfinished)) + [_moment(ended)], default=0.0)


def _is_attended(paths: ModelPaths, rows: list[TrialRow]) -> bool:
    """Whether anybody waits for the search, or trains for it: nobody writes that a wait was killed."""
    leases = [paths.store.trial(row.key).lease for row in rows if row.key is not None and not _has_ended(row)]
    return time.time() - max(map(_written, [paths.search, *leases])) < LOST_AFTER


def _has_ended(row: TrialRow) -> bool:
    """Whether no process is at work on it: its last one has written how it ended, and given up its lease."""
    return isinstance(row.card, CardRow) and row.card.status != "running"


def _moment(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _objective(store: Store, experiment: str) -> Objective | None:
    try:
        return Spec.read(store.experiment(experiment).spec).experiment.objective
    except (OSError, ValueError):  # nothing has begun yet, or it is torn
        return None


def _is_of(card: CardRow, objective: Objective | None) -> bool:
    """Whether the card is of this objective; a trial started by another search may have another."""
    return objective is not None and card.objective_metric_name == objective.objective_metric_name
