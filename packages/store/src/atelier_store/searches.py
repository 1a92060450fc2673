"""The searches of a store, in a few words each: state, trials and best value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from atelier_store import lease
from atelier_store.index import Index
from atelier_store.layout import ExperimentPaths, Store
from atelier_store.ranking import entries, standings
from atelier_store.records import Leaderboard
from atelier_store.spec import Spec
from atelier_store.trial_rows import CardRow, TrialRow

State = Literal["running", "ended", "unfinished", "unreadable"]


@dataclass(frozen=True)
class Searched:
    """One search. best is the value of its best trial, best_trial; last_active is UTC, as in the store's files."""

    name: str
    search_digest: str
    state: State
    trials: int
    max_trial_count: int | None
    objective_metric_name: str | None
    best: float | None
    best_trial: str | None
    last_active: str


def searched(store: Store) -> list[Searched]:
    """Every search of the store, the last one first. OSError."""
    found = [of_rows(paths, Index(store, paths).rows()) for paths in store.experiments() if paths.spec.exists()]
    return sorted(found, key=lambda one: one.last_active, reverse=True)


def of_rows(paths: ExperimentPaths, rows: Sequence[TrialRow]) -> Searched:
    """The search with these trials. OSError if its spec cannot be read; one that is torn makes it unreadable."""
    name, trials = paths.folder.name, sum(bool(row.parameters) for row in rows)  # a tail has none
    written = max([paths.spec.stat().st_mtime, *(row.recorded_at for row in rows)])
    started = datetime.fromtimestamp(written, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        spec = Spec.read(paths.spec)
    except ValueError:
        return Searched(name, "", "unreadable", trials, None, None, None, None, started)
    runs, ended = _runs(paths, rows), Leaderboard.read_if_whole(paths.leaderboard)
    ranked = ended.entries if ended and not runs else entries(spec, standings(spec, rows))
    best = next((entry for entry in ranked if entry.rank == 1), None)
    return Searched(
        name=name,
        search_digest=spec.search_digest,
        state="running" if runs else "ended" if ended else "unfinished",
        trials=trials,
        max_trial_count=spec.experiment.max_trial_count,
        objective_metric_name=spec.experiment.objective.objective_metric_name,
        best=best.metric if best else None,
        best_trial=best.trial if best else None,
        last_active=max(started, ended.written_at) if ended else started,
    )


def _runs(paths: ExperimentPaths, rows: Sequence[TrialRow]) -> bool:
    """Whether an engine is at work on the search, or a process on one of its trials: a cluster has no engine."""
    trains = (row.key for row in rows if row.key and isinstance(row.card, CardRow) and row.card.status == "running")
    leases = (paths.lease, *(paths.store.trial(key).lease for key in trains))
    return any(lease.holder(path) is not None for path in leases)
