"""Which trial of an experiment is best: by the objective of its bundle's weights, then fewer parameters, then loss."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from atelier_store import baselines, budget, bundle, finish, int8, mirror, objectives
from atelier_store.clock import now
from atelier_store.index import read_rows
from atelier_store.layout import ExperimentPaths, Store
from atelier_store.records import Leaderboard, LeaderboardEntry, Manifest, Status, TornRecord, TrialConfig, TrialRecord
from atelier_store.spec import Spec
from atelier_store.trial_rows import BundleRow, CardRow, TrialRow

INTERRUPTED: tuple[Status, ...] = ("running", "stopped")
"""Of a trial with a rank: it has gone on from where it paused, and nobody knows that it ended."""


@dataclass(frozen=True)
class Standing:
    """One trial as the store shows it; reason says why it cannot be promoted, None if it can."""

    row: TrialRow
    reason: str | None

    @property
    def bundle(self) -> BundleRow | None:
        """Of a trial that can be promoted."""
        return self.row.bundle if self.reason is None and isinstance(self.row.bundle, BundleRow) else None


def rule(spec: Spec) -> str:
    """By what trials are ranked, in words."""
    experiment, which = spec.experiment, spec.trainer.keep_weights
    objective = experiment.objective
    best = "highest" if objective.type == "maximize" else "lowest"
    name = objective.objective_metric_name
    first = ["those that reach the goals"] if any(other.goal is not None for other in experiment.objectives) else []
    if experiment.tolerance:
        others = ", ".join(f"{other.type} {other.metric}" for other in experiment.objectives)
        first.append(f"of those within {experiment.tolerance:g} of the best {name}, {others}")
    equal = ["fewer parameters", *(["not mirrored"] if spec.trainer.finish.mirror else []), "lower val_loss"]
    rest = f"{best} {name} of the {which} epoch's weights; of equal ones {', '.join(equal)}, then the key"
    return "; ".join([*first, rest])


def rank(store: Store, spec: Spec) -> Leaderboard:
    """The leaderboard of the spec's experiment, as the store shows it now. Hashes every bundle."""
    return leaderboard(store, spec, verified(store, spec), rejected={})


def verified(store: Store, spec: Spec) -> list[Standing]:
    """Where every trial of the spec's experiment stands, for a promotion: read and hashed now."""
    standing = standings(spec, read_rows(store, store.experiment(spec.experiment_name)))
    return [_verified(store, one) for one in standing]


def standings(spec: Spec, rows: Iterable[TrialRow]) -> list[Standing]:
    """Where every trial stands if the bundles are what their manifests say, for a look: it opens no file."""
    return [Standing(row, _reason(spec, row)) for row in _first_of_each_key(rows)]


def leaderboard(store: Store, spec: Spec, standings: Sequence[Standing], rejected: Mapping[str, str]) -> Leaderboard:
    """The trials as `entries` has them, with the baselines of their data."""
    found = entries(spec, standings, rejected)
    keys = [entry.key for entry in found if entry.rank == 1]
    digests = [one.bundle.data_digest for one in standings if one.bundle and one.row.key in keys]
    return Leaderboard(
        experiment=spec.experiment_name,
        objective_metric_name=spec.experiment.objective.objective_metric_name,
        entries=found,
        baselines=tuple(score for digest in digests for score in baselines.scores(store, spec, digest)),
        finish=finish.lines(store, spec, found),
        written_at=now(),
    )


def entries(
    spec: Spec, standings: Sequence[Standing], rejected: Mapping[str, str] | None = None
) -> tuple[LeaderboardEntry, ...]:
    """The trials in the order of their rank, then those that cannot be promoted. rejected maps keys to reasons.

    A trial that is running, stopped or paused ranks with its last bundle; one that failed or is over budget does not.
    With objectives beside the objective, `objectives.choice` comes first.
    """
    objective = spec.experiment.objective
    rankable, others = [], []
    for standing in standings:
        reason = (rejected or {}).get(standing.row.key or "")
        if standing.bundle is not None and reason is None:
            rankable.append((standing, standing.bundle))
        else:
            others.append(_entry(spec, standing, rank=None, rejected=reason))
    known = {bundle.key: objectives.values(spec.experiment, bundle) for _, bundle in rankable}
    chosen = objectives.choice(spec.experiment, known)
    rankable.sort(
        key=lambda ranked: (
            chosen(ranked[1].key),
            objective.rank_key(ranked[1].metrics[objective.objective_metric_name]),
            ranked[1].params,
            ranked[1].mirror_of is not None,  # which costs twice as much
            ranked[1].metrics.get("val_loss", math.inf),
            ranked[1].key,
        )
    )
    ranked = [_entry(spec, standing, place) for place, (standing, _) in enumerate(rankable, 1)]
    return (*(_with_objectives(spec, ranked, known) if spec.experiment.objectives else ranked), *others)


def _with_objectives(
    spec: Spec, ranked: Iterable[LeaderboardEntry], known: Mapping[str, Mapping[str, float]]
) -> Iterator[LeaderboardEntry]:
    """The entries with the values of all objectives, and whether they are on the Pareto front."""
    front = objectives.front({key: objectives.point(spec.experiment, values) for key, values in known.items()})
    for entry in ranked:
        assert entry.key is not None  # it has a rank
        yield entry.model_copy(update={"objectives": dict(known[entry.key]), "on_front": entry.key in front})


def best_parent(store: Store, spec: Spec) -> str | None:
    """The key of the best trial that is paused or succeeded and neither tail nor made from others: it gets a tail."""
    best = _best_trial(store, spec, finish.ENDED)
    return best.key if best else None


def average_members(store: Store, spec: Spec) -> tuple[str, ...]:
    """The keys of the trials whose average is tried at the end of the search, the best first; none if there is none."""
    return finish.members(store, spec, rank(store, spec).entries)


def to_retrain(store: Store, spec: Spec) -> Manifest | None:
    """The manifest of the winner, if the spec asks for it to be retrained and it can be; None else."""
    return finish.to_retrain(store, spec, rank(store, spec).entries)


def to_mirror(store: Store, spec: Spec) -> str | None:
    """The key of what would be promoted, if the spec asks for it mirrored and it can be; None else."""
    return mirror.to_mirror(store, spec, rank(store, spec).entries)


def to_quantize(store: Store, spec: Spec) -> str | None:
    """The key of the winner, if the spec asks for it in int8 and it can be; None else."""
    return int8.to_quantize(store, spec, rank(store, spec).entries)


def unfinished_winner(store: Store, spec: Spec) -> TrialRecord | None:
    """The best trial, if halving paused it before maxEpochs: to be trained on, for it would be promoted half-trained.

    Also if it was stopped or killed on its way from there. None if its training is over, or if its value reaches the
    goal, which ends a search wherever its trials are. A trial that is trained on may lose its place to one that is
    paused, so ask again after it.
    """
    best = _best_trial(store, spec, (*finish.ENDED, *INTERRUPTED))
    if best is None or best.metric is None or best.epochs >= spec.trainer.max_epochs:
        return None
    if spec.experiment.objective.reaches(best.metric):
        return None
    records = trial_records(store.experiment(spec.experiment_name))
    return next(record for record in records if record.key == best.key)


def _best_trial(store: Store, spec: Spec, statuses: Container[str]) -> LeaderboardEntry | None:
    """The first on the leaderboard with one of these statuses that is neither tail nor made from others."""
    for entry in rank(store, spec).entries:
        if entry.rank is None or entry.key is None or entry.status not in statuses:
            continue
        config = TrialConfig.read_if_whole(store.trial(entry.key).config)
        if config is not None and config.parent is None and config.is_trained:
            return entry
    return None


def trial_records(experiment: ExperimentPaths) -> list[TrialRecord]:
    """Every whole trial record of an experiment, in the order of suggestion."""
    records = []
    for path in experiment.trials.glob("[!.]*.json"):
        try:
            records.append(TrialRecord.read(path))
        except (FileNotFoundError, TornRecord):
            continue
    return sorted(records, key=lambda r: (r.number is None, r.number or 0, r.trial))


def _first_of_each_key(rows: Iterable[TrialRow]) -> list[TrialRow]:
    """The first row of each key, and every row without a key."""
    seen: set[str] = set()
    kept = []
    for row in rows:
        if row.key is None or row.key not in seen:
            kept.append(row)
        seen.add(row.key or "")
    return kept


def _reason(spec: Spec, row: TrialRow) -> str | None:
    """Why a trial cannot be promoted, whatever its bundle's files hold."""
    if row.damage is not None:
        return row.damage
    if row.key is None:
        return row.error or "refused"
    card, bundle = row.card, row.bundle
    if card is None:
        return "not started"
    if isinstance(card, str):
        return card
    if card.status == "failed":
        return card.reason or "failed"
    if over := budget.exceeded(spec.trainer.budget, card.params, card.macs, card.latency_p50_ms):
        return "over budget: " + "; ".join(over)
    if bundle is None:
        return "no bundle yet" if card.reason is None else card.reason
    if isinstance(bundle, str):
        return bundle
    if bundle.key != row.key:
        return f"its bundle is of trial {bundle.key}"
    if bundle.retrained_epochs is not None:
        return "not measurable: it was retrained on the validation rows too"
    if bundle.int8_of is not None:
        return f"the network of {bundle.int8_of} in int8, which may take its place at a promotion"
    objective = spec.experiment.objective.objective_metric_name
    return None if objective in bundle.metrics else f"its bundle has no {objective}"


def _verified(store: Store, standing: Standing) -> Standing:
    """The same, if the files of its bundle are those that the manifest names."""
    if standing.bundle is None:
        return standing
    problems = bundle.check_digests(store.trial(standing.bundle.key).bundle)
    return replace(standing, reason="; ".join(problems)) if problems else standing


def _entry(spec: Spec, standing: Standing, rank: int | None, rejected: str | None = None) -> LeaderboardEntry:
    objective = spec.experiment.objective.objective_metric_name
    card = standing.row.card if isinstance(standing.row.card, CardRow) else None
    bundle, reason = standing.bundle, rejected or standing.reason
    over = reason is not None and reason.startswith("over budget")
    # the card may be of a search with another objective
    value = card.value if card and card.objective_metric_name == objective else None
    status = "rejected" if card is None or rejected else "over_budget" if over else card.status
    return LeaderboardEntry(
        rank=rank,
        trial=standing.row.trial,
        key=standing.row.key,
        parameters=standing.row.parameters,
        status=status,
        metric=bundle.metrics[objective] if bundle else value,
        epochs=bundle.epochs if bundle else card.epochs if card else 0,
        best_epoch=bundle.best_epoch if bundle else None,
        params=card.params if card else None,
        macs=card.macs if card else None,
        latency_p50_ms=bundle.latency_p50_ms if bundle else None,
        architecture=bundle.architecture if bundle else None,
        reason=reason,
    )
