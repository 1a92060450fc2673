"""Which trial of an experiment is best: by the objective of its bundle's weights, then fewer parameters, then loss."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from atelier_store import baselines, budget, bundle
from atelier_store.clock import now
from atelier_store.layout import ExperimentPaths, Store, TrialPaths
from atelier_store.records import Card, Leaderboard, LeaderboardEntry, Manifest, TornRecord, TrialConfig, TrialRecord
from atelier_store.spec import Spec


@dataclass(frozen=True)
class Standing:
    """One trial as the store shows it; manifest is set if its bundle is whole, reason if it cannot be promoted."""

    record: TrialRecord
    card: Card | None
    manifest: Manifest | None
    reason: str | None


def rank(store: Store, spec: Spec) -> Leaderboard:
    """The leaderboard of the spec's experiment, as the store shows it now."""
    return leaderboard(store, spec, standings(store, spec), rejected={})


def standings(store: Store, spec: Spec) -> list[Standing]:
    """Where every trial of the spec's experiment stands. Hashes every bundle."""
    experiment = store.experiment(spec.experiment_name)
    whole = [_standing(store, spec, record) for record in _first_of_each_key(trial_records(experiment))]
    return [*whole, *map(_of_damaged, damaged_trial_records(experiment))]


def leaderboard(store: Store, spec: Spec, standings: Sequence[Standing], rejected: Mapping[str, str]) -> Leaderboard:
    """The trials in the order of their rank, then those that cannot be promoted. rejected maps keys to reasons.

    A trial that is running, stopped or paused ranks with its last bundle; one that failed or is over budget does not.
    """
    objective = spec.experiment.objective
    rankable, others = [], []
    for standing in standings:
        reason = rejected.get(standing.record.key or "")
        if standing.reason is None and reason is None and standing.manifest is not None:
            rankable.append((standing, standing.manifest))
        else:
            others.append(_entry(spec, standing, rank=None, rejected=reason))
    rankable.sort(
        key=lambda ranked: (
            objective.rank_key(ranked[1].metrics[objective.objective_metric_name]),
            ranked[1].params,
            ranked[1].metrics.get("val_loss", math.inf),
            ranked[1].config.key,
        )
    )
    data_digests = [manifest.config.data_digest for _, manifest in rankable[:1]]
    return Leaderboard(
        experiment=spec.experiment_name,
        objective_metric_name=objective.objective_metric_name,
        entries=(*(_entry(spec, standing, place) for place, (standing, _) in enumerate(rankable, 1)), *others),
        baselines=tuple(score for digest in data_digests for score in baselines.scores(store, spec, digest)),
        written_at=now(),
    )


def best_parent(store: Store, spec: Spec) -> str | None:
    """The key of the best trial that is paused or succeeded and no tail itself: the one whose tail is trained."""
    best = _best_trial(store, spec)
    return best.key if best else None


def unfinished_winner(store: Store, spec: Spec) -> TrialRecord | None:
    """The best trial, if halving paused it before maxEpochs: to be trained on, for it would be promoted half-trained.

    None if its training is over, or if its value reaches the goal, which ends a search wherever its trials are. A trial
    that is trained on may lose its place to one that is paused, so ask again after it.
    """
    best = _best_trial(store, spec)
    if best is None or best.metric is None or best.epochs >= spec.trainer.max_epochs:
        return None
    if spec.experiment.objective.reaches(best.metric):
        return None
    records = trial_records(store.experiment(spec.experiment_name))
    return next(record for record in records if record.key == best.key)


def _best_trial(store: Store, spec: Spec) -> LeaderboardEntry | None:
    """The first on the leaderboard that is paused or succeeded and no tail."""
    for entry in rank(store, spec).entries:
        if entry.rank is None or entry.key is None or entry.status not in ("paused", "succeeded"):
            continue
        config = TrialConfig.read_if_whole(store.trial(entry.key).config)
        if config is not None and config.parent is None:
            return entry
    return None


def trial_records(experiment: ExperimentPaths) -> list[TrialRecord]:
    """Every whole trial record of an experiment, in the order of suggestion."""
    records = [record for record in _trial_records(experiment) if isinstance(record, TrialRecord)]
    return sorted(records, key=lambda r: (r.number is None, r.number or 0, r.trial))


def damaged_trial_records(experiment: ExperimentPaths) -> list[TornRecord]:
    """The trial records that cannot be read, or are not as they were written, by the names of their files."""
    return [damaged for damaged in _trial_records(experiment) if isinstance(damaged, TornRecord)]


def _trial_records(experiment: ExperimentPaths) -> Iterator[TrialRecord | TornRecord]:
    for path in sorted(experiment.trials.glob("[!.]*.json")):
        try:
            yield TrialRecord.read(path)
        except FileNotFoundError:
            continue
        except TornRecord as error:
            yield error


def _of_damaged(error: TornRecord) -> Standing:
    """The place of a trial whose record is damaged: it cannot be promoted, since its key is not known."""
    reason = str(error)
    return Standing(TrialRecord(trial=error.path.stem, params={}, key=None, error=reason), None, None, reason)


def _first_of_each_key(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """The first record of each key, and every record without a key."""
    seen: set[str] = set()
    kept = []
    for record in records:
        if record.key is None or record.key not in seen:
            kept.append(record)
        seen.add(record.key or "")
    return kept


def _standing(store: Store, spec: Spec, record: TrialRecord) -> Standing:
    if record.key is None:
        return Standing(record, None, None, record.error or "refused")
    paths = store.trial(record.key)
    try:
        card = Card.read(paths.card)
    except FileNotFoundError:
        return Standing(record, None, None, "not started")
    except TornRecord as error:
        return Standing(record, None, None, str(error))
    if card.status == "failed":
        return Standing(record, card, None, card.reason)
    over = budget.exceeded(spec.trainer.budget, card.params, card.macs, card.latency.p50_ms if card.latency else None)
    if over:
        return Standing(record, card, None, "over budget: " + "; ".join(over))
    return _with_bundle(spec, record, paths, card)


def _with_bundle(spec: Spec, record: TrialRecord, paths: TrialPaths, card: Card) -> Standing:
    if not paths.bundle.folder.exists():
        return Standing(record, card, None, "no bundle yet" if card.reason is None else card.reason)
    try:
        manifest = Manifest.read(paths.bundle.manifest)
    except FileNotFoundError:
        return Standing(record, card, None, f"its bundle has no {paths.bundle.manifest.name}")
    except TornRecord as error:
        return Standing(record, card, None, str(error))
    if problems := bundle.problems(paths.bundle, manifest):
        return Standing(record, card, None, "; ".join(problems))
    if manifest.config.key != paths.key:
        return Standing(record, card, None, f"its bundle is of trial {manifest.config.key}")
    if spec.experiment.objective.objective_metric_name not in manifest.metrics:
        return Standing(record, card, None, f"its bundle has no {spec.experiment.objective.objective_metric_name}")
    return Standing(record, card, manifest, None)


def _entry(spec: Spec, standing: Standing, rank: int | None, rejected: str | None = None) -> LeaderboardEntry:
    objective = spec.experiment.objective.objective_metric_name
    card, manifest, reason = standing.card, standing.manifest, rejected or standing.reason
    over = reason is not None and reason.startswith("over budget")
    # the card may be of a search with another objective
    value = card.value if card and card.objective_metric_name == objective else None
    status = "rejected" if card is None or rejected else "over_budget" if over else card.status
    return LeaderboardEntry(
        rank=rank,
        trial=standing.record.trial,
        key=standing.record.key,
        parameters=standing.record.params,
        status=status,
        metric=manifest.metrics[objective] if manifest else value,
        epochs=manifest.provenance.epochs if manifest else card.epochs if card else 0,
        params=card.params if card else None,
        macs=card.macs if card else None,
        latency_p50_ms=manifest.latency.p50_ms if manifest else None,
        architecture=manifest.architecture if manifest else None,
        reason=reason,
    )
