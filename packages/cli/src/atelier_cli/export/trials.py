"""All trials of a search, with everything that an export tells of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from atelier_store.curve import read_curve
from atelier_store.layout import Store, TrialPaths
from atelier_store.ranking import rank, trial_records
from atelier_store.records import Card, Epoch, LeaderboardEntry, TrialConfig, TrialRecord
from atelier_store.spec import Spec


@dataclass(frozen=True)
class Trial:
    """One trial as it was suggested, and as it stands now.

    parameters are as suggested, of a tail its parent's. paths, card and config are None as far as it has not begun.
    A curve has the trial's own epochs. started_at is the begin of the first one; None if there is none.
    """

    number: int | None
    entry: LeaderboardEntry
    parameters: dict[str, str]
    paths: TrialPaths | None
    card: Card | None
    config: TrialConfig | None
    curve: list[Epoch]
    suggested_at: datetime

    @property
    def parent(self) -> str | None:
        """The key of the trial that this one is the tail of."""
        return self.config.parent if self.config else None

    @property
    def is_made(self) -> bool:
        """Whether it was made from other trials, as an average is, and in int8: it has no suggestion and no curve."""
        return self.config is not None and not self.config.is_trained

    @property
    def is_retrained(self) -> bool:
        """Whether it is another trial on more rows, which has no value."""
        return self.config is not None and self.config.retrained_epochs is not None

    @property
    def started_at(self) -> datetime | None:
        if not self.curve:
            return None
        return moment(self.curve[0].finished_at) - timedelta(seconds=self.curve[0].seconds)

    @property
    def ended_at(self) -> datetime | None:
        """When it last ended, or was paused; None if it runs, or has not begun."""
        return moment(self.card.updated_at) if self.card and self.card.status != "running" else None

    @property
    def seconds(self) -> float:
        """What its epochs took."""
        return round(sum(epoch.seconds for epoch in self.curve), 3)


def moment(text: str) -> datetime:
    """A time of the store."""
    return datetime.fromisoformat(text).astimezone(UTC)


def trials(store: Store, spec: Spec) -> list[Trial]:
    """All trials in the order of their suggestion, then damaged ones. Hashes every bundle, as a leaderboard does."""
    experiment = store.experiment(spec.experiment_name)
    entries = rank(store, spec).entries
    by_key = {entry.key: entry for entry in entries if entry.key}
    by_name = {entry.trial: entry for entry in entries}
    records = trial_records(experiment)
    suggested = {record.key: record.params for record in reversed(records) if record.key and record.params}
    found = []
    for record in records:
        entry = by_key[record.key] if record.key in by_key else by_name.get(record.trial)
        if entry is not None:  # it may have been written since the leaderboard was made
            entry = entry.model_copy(update={"trial": record.trial})
            found.append(_trial(store, record, entry, suggested, experiment.trial(record.trial)))
    known = {record.trial for record in records}
    damaged = [entry for entry in entries if entry.trial not in known]
    return [*found, *(_of_damaged(entry, experiment.trials / f"{entry.trial}.json") for entry in damaged)]


def _trial(
    store: Store, record: TrialRecord, entry: LeaderboardEntry, suggested: dict[str, dict[str, str]], path: Path
) -> Trial:
    paths = store.trial(record.key) if record.key else None
    config = TrialConfig.read_if_whole(paths.config) if paths else None
    parents = suggested.get(config.parent, {}) if config and config.parent else {}
    return Trial(
        number=record.number,
        entry=entry,
        parameters=record.params or parents,
        paths=paths,
        card=Card.read_if_whole(paths.card) if paths else None,
        config=config,
        curve=read_curve(paths.metrics) if paths else [],
        suggested_at=_written_at(path),
    )


def _of_damaged(entry: LeaderboardEntry, path: Path) -> Trial:
    return Trial(None, entry, {}, None, None, None, [], _written_at(path))


def _written_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def told(trial: Trial, objective_metric_name: str) -> dict[str, Any]:
    """What a row of a table says of a trial; parameters and metrics are maps."""
    entry, card = trial.entry, trial.card
    return {
        "trial": entry.trial,
        "number": trial.number,
        "key": entry.key,
        "parent": trial.parent,
        "status": entry.status,
        "rank": entry.rank,
        "objective_metric_name": objective_metric_name,
        "metric": entry.metric,
        "epochs": entry.epochs,
        "seconds": trial.seconds,
        "params": entry.params,
        "macs": entry.macs,
        "latency_p50_ms": entry.latency_p50_ms,
        "started_at": as_text(trial.started_at),
        "ended_at": as_text(trial.ended_at),
        "reason": entry.reason,
        "parameters": trial.parameters,
        "metrics": card.metrics if card else {},
    }


def as_text(time: datetime | None) -> str | None:
    """The time as the store writes one."""
    return None if time is None else time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
