"""Whether what was made of trained networks ranks before one that it is to be better than, in words."""

from __future__ import annotations

from atelier_store.records import LeaderboardEntry
from atelier_store.spec import Spec


def beside(spec: Spec, entry: LeaderboardEntry, other: LeaderboardEntry | None, equal: str) -> tuple[bool, str]:
    """Whether an entry ranks before the other, and why; equal says why not, of equal values."""
    kept = entry.rank is not None and other is not None and other.rank is not None and entry.rank < other.rank
    return kept, _why(spec, entry, other, kept, equal)


def _why(spec: Spec, entry: LeaderboardEntry, other: LeaderboardEntry | None, kept: bool, equal: str) -> str:
    if entry.status == "over_budget":
        return entry.reason or "over budget"
    if entry.rank is None or entry.metric is None or other is None or other.metric is None:
        return f"{entry.status}; the leaderboard says why"
    objective = spec.experiment.objective
    values = f"{objective.objective_metric_name} {entry.metric:.6g}, {other.trial} {other.metric:.6g}"
    if entry.metric == other.metric:
        return f"{values}: {equal}"
    is_better = objective.better(entry.metric, other.metric)
    if kept == is_better:
        return f"{values}: {'better' if kept else 'worse'}"
    return f"{values}: {'before' if kept else 'after'} it by all objectives"
