"""The audit of a search as a record: what was asked, all that was tried, what won, and what was hashed again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from atelier_store import audit, promotions, ranking
from atelier_store.clock import now
from atelier_store.files import sha256_file
from atelier_store.layout import Store, TrialPaths
from atelier_store.promotions import AuditedModel, TestReading
from atelier_store.provenance import Statement, subjects
from atelier_store.records import (
    Card,
    DataDescription,
    LeaderboardEntry,
    Manifest,
    Record,
    Replay,
    TrialConfig,
)
from atelier_store.signing.envelopes import Json, envelope
from atelier_store.signing.keys import PrivateKey
from atelier_store.spec import Spec

from atelier_cli.export.trials import Trial, as_text

PREDICATE = "https://github.com/katib-nas-atelier/katib-nas-atelier/audit/v1"


class AuditedTrial(Record):
    """One trial: how it stands, what it is the hash of, who trained it first, and its files as they are now.

    files maps paths below the store to their sha256. trained_by is the experiment whose trial it was first.
    """

    entry: LeaderboardEntry
    config: TrialConfig | None
    card: Card | None
    trained_by: str | None
    seconds: float
    started_at: str | None
    ended_at: str | None
    files: dict[str, str]
    replays: tuple[Replay, ...]


class Winner(Record):
    """The best trial by the rule, the one behind it, and how far ahead it is; None if there is no second one."""

    rule: str
    trial: str
    key: str
    value: float
    runner_up: str | None
    runner_up_value: float | None
    margin: float | None


class Mismatch(Record):
    """A file that is not as it was written; path is below the store."""

    path: str
    problem: str


class Verification(Record):
    """What of the whole store was hashed again, and what did not match. unprotected are records without a digest."""

    checked: dict[str, int]
    mismatches: tuple[Mismatch, ...]
    unprotected: tuple[str, ...]


class AuditReport(Record):
    """The audit of one search, as a file."""

    schema_version: Literal[1] = 1
    experiment: str
    written_at: str
    spec: Spec
    spec_sha256: str
    search_digest: str
    data: tuple[DataDescription, ...]
    network_digests: tuple[str, ...]
    trials: tuple[AuditedTrial, ...]
    winner: Winner | None
    test_readings: tuple[TestReading, ...]
    models: tuple[AuditedModel, ...]
    verification: Verification


def report(store: Store, spec: Spec, trials: Sequence[Trial], audited: audit.Audit) -> AuditReport:
    """The audit of the spec's search, after the whole store has been hashed again."""
    name, configs = spec.experiment_name, [trial.config for trial in trials if trial.config]
    digests = sorted({config.data_digest for config in configs})
    models = [model for paths in store.models() if (model := promotions.of_search(paths, name)) is not None]
    return AuditReport(
        experiment=name,
        written_at=now(),
        spec=spec,
        spec_sha256=sha256_file(store.experiment(name).spec),
        search_digest=spec.search_digest,
        data=tuple(one for digest in digests if (one := DataDescription.read_if_whole(store.data(digest).description))),
        network_digests=tuple(sorted({config.network_digest for config in configs if config.is_trained})),
        trials=tuple(_trial(store, trial) for trial in trials),
        winner=_winner(spec, trials),
        test_readings=tuple(reading for model in models for reading in promotions.readings(model, name)),
        models=tuple(models),
        verification=_verification(store, audited),
    )


def signed(file: Path, key: PrivateKey) -> Json:
    """A signed statement with the report in this file as what it says, and the file as what it says it of."""
    about, said = subjects({file.name: sha256_file(file)}), json.loads(file.read_bytes())
    return envelope(Statement(subject=about, predicate_type=PREDICATE, predicate=said), key)


def _trial(store: Store, trial: Trial) -> AuditedTrial:
    manifest = Manifest.read_if_whole(trial.paths.bundle.manifest) if trial.paths else None
    return AuditedTrial(
        entry=trial.entry.model_copy(update={"parameters": trial.parameters}),
        config=trial.config,
        card=trial.card,
        trained_by=manifest.provenance.experiment if manifest else None,
        seconds=trial.seconds,
        started_at=as_text(trial.started_at),
        ended_at=as_text(trial.ended_at),
        files=_files(store, trial.paths) if trial.paths else {},
        replays=tuple(_replays(trial.paths)) if trial.paths else (),
    )


def _files(store: Store, paths: TrialPaths) -> dict[str, str]:
    named = (paths.config, paths.metrics, paths.card, paths.out_of_fold, paths.bundle.manifest, *paths.bundle.contents)
    return {_below(store, path): sha256_file(path) for path in named if path.is_file()}


def _replays(paths: TrialPaths) -> Iterator[Replay]:
    for path in sorted(paths.replays.glob("[!.]*.json")):
        replayed = Replay.read_if_whole(path)
        if replayed is not None:  # one that is damaged is a mismatch of the verification
            yield replayed


def _winner(spec: Spec, trials: Sequence[Trial]) -> Winner | None:
    ranked = {trial.entry.rank: trial.entry for trial in reversed(trials) if trial.entry.rank is not None}
    best, second = ranked.get(1), ranked.get(2)
    if best is None or best.metric is None or best.key is None:
        return None
    behind = second.metric if second else None
    return Winner(
        rule=ranking.rule(spec),
        trial=best.trial,
        key=best.key,
        value=best.metric,
        runner_up=second.trial if second else None,
        runner_up_value=behind,
        margin=None if behind is None else abs(best.metric - behind),
    )


def _verification(store: Store, audited: audit.Audit) -> Verification:
    return Verification(
        checked=audited.checked,
        mismatches=tuple(Mismatch(path=_below(store, one.path), problem=one.problem) for one in audited.mismatches),
        unprotected=tuple(_below(store, path) for path in audited.unprotected),
    )


def _below(store: Store, path: Path) -> str:
    return path.relative_to(store.root).as_posix()
