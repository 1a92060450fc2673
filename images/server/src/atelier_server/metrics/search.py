"""Progress of the search for the served model, read from the store at a scrape."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from atelier_store.layout import ModelPaths, Store
from atelier_store.ranking import trial_records
from atelier_store.records import Card, Search, Status, TrialRecord
from atelier_store.spec import Objective, Spec
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

WAITING = "waiting"
"""Status of a trial that has no card yet."""

log = logging.getLogger(__name__)


class SearchMetrics(Collector):
    """Empty while there is no search.json, as on a laptop. Cached for keep seconds: reading a store may be slow."""

    def __init__(self, paths: ModelPaths, keep: float = 10.0) -> None:
        self._paths, self._keep = paths, keep
        self._lock, self._until = threading.Lock(), 0.0
        self._families: list[GaugeMetricFamily] = []

    def collect(self) -> list[GaugeMetricFamily]:
        with self._lock:
            if time.monotonic() >= self._until:
                self._families = self._read()
                self._until = time.monotonic() + self._keep
            return self._families

    def _read(self) -> list[GaugeMetricFamily]:
        try:
            search = Search.read_if_whole(self._paths.search)
            return list(_families(self._paths, search)) if search else []
        except OSError as error:
            log.warning("no metrics of the search: %s: %s", error.filename, error.strerror)
            return []


def _families(paths: ModelPaths, search: Search) -> Iterator[GaugeMetricFamily]:
    store, name = paths.store, search.experiment
    records = trial_records(store.experiment(name))
    cards = {
        record.key: Card.read_if_whole(store.trial(record.key).card) for record in records if record.key is not None
    }
    yield _gauge("atelier_search_running", "1 while the search is waited for, else 0.", name, search.state == "running")
    yield _gauge(
        "atelier_search_promotion_failed",
        "1 if the search or its promotion failed, else 0.",
        name,
        search.state == "failed",
    )
    yield _gauge(
        "atelier_search_last_progress_timestamp_seconds",
        "When a trial last began or ended an epoch; before the first, when the wait began.",
        name,
        _last_progress(store, name, records) or _written(paths.search),
    )
    trials = GaugeMetricFamily("atelier_search_trials", "Trials by status.", labels=["experiment", "status"])
    counts = Counter(_status(record, cards) for record in records)
    for status in (*get_args(Status), WAITING):
        trials.add_metric([name, status], counts[status])
    yield trials
    objective = _objective(store, name)
    values = [card.value for card in cards.values() if card and card.value is not None and _is_of(card, objective)]
    if objective and values:
        best = GaugeMetricFamily("atelier_search_best_objective", "Best value so far.", labels=["experiment", "metric"])
        best.add_metric([name, objective.objective_metric_name], min(values, key=objective.rank_key))
        yield best


def _gauge(name: str, documentation: str, experiment: str, value: float) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, documentation, labels=["experiment"])
    gauge.add_metric([experiment], value)
    return gauge


def _status(record: TrialRecord, cards: dict[str, Card | None]) -> str:
    """The card's status, or what its absence means: a trial without a key had invalid parameters."""
    if record.key is None:
        return "failed"
    card = cards[record.key]
    return card.status if card else WAITING


def _last_progress(store: Store, experiment: str, records: list[TrialRecord]) -> float:
    files = [store.experiment(experiment).trial(record.trial) for record in records]
    files += [store.trial(record.key).metrics for record in records if record.key is not None]
    return max(map(_written, files), default=0.0)


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


def _is_of(card: Card, objective: Objective | None) -> bool:
    """Whether the card is of this objective; a trial started by another search may have another."""
    return objective is not None and card.objective_metric_name == objective.objective_metric_name
