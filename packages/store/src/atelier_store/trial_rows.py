"""What a look at many trials needs of each: its record, its card, and the manifest of its bundle, in one row.

A row says of each of these files what is wrong with it, and compares none with another.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, TypeVar

from atelier_store.layout import Store, TrialPaths
from atelier_store.records import Card, Manifest, Record, Status, TornRecord, TrialRecord

R = TypeVar("R", bound=Record)


class CardRow(NamedTuple):
    """What a card says. value is that of its own objective, which may be another search's."""

    status: Status
    reason: str | None
    objective_metric_name: str
    value: float | None
    epochs: int
    params: int | None
    macs: int | None
    latency_p50_ms: float | None
    updated_at: str


class BundleRow(NamedTuple):
    """What a manifest says. key and parent are of the trial that it is of; onnx_bytes is the size of its network.

    int8_of is the key of the trial whose network it is in int8, and mirror_of of which it is the mirrored one.
    """

    key: str
    parent: str | None
    parent_epochs: int | None
    data_digest: str
    metrics: dict[str, float]
    epochs: int
    params: int
    macs: int
    latency_p50_ms: float
    architecture: str
    onnx_bytes: int | None
    best_epoch: int | None = None
    retrained_epochs: int | None = None
    int8_of: str | None = None
    mirror_of: str | None = None


class TrialRow(NamedTuple):
    """One trial of an experiment. damage says why its record cannot be read; then nothing else is known of it.

    card and bundle are None if they are not there, and a text if they cannot be read: why. recorded_at is when the
    trial last began: seconds since the epoch.
    """

    trial: str
    number: int | None
    parameters: dict[str, str]
    key: str | None
    error: str | None
    damage: str | None
    recorded_at: float
    card: CardRow | str | None
    bundle: BundleRow | str | None

    @property
    def is_damaged(self) -> bool:
        """Whether any of the files cannot be read."""
        return self.damage is not None or isinstance(self.card, str) or isinstance(self.bundle, str)


def read_record(store: Store, path: Path) -> TrialRecord | str | None:
    """The trial record at path; None if it is not there, and why if it cannot be read."""
    return _read(TrialRecord, path, store.root)


def row_of(store: Store, path: Path, record: TrialRecord | str, recorded_at: float) -> TrialRow:
    """The row of the trial with this record, of which a text says why it cannot be read."""
    if isinstance(record, str):
        return TrialRow(path.stem, None, {}, None, None, record, recorded_at, None, None)
    paths = store.trial(record.key) if record.key is not None else None
    return TrialRow(
        trial=record.trial,
        number=record.number,
        parameters=record.params,
        key=record.key,
        error=record.error,
        damage=None,
        recorded_at=recorded_at,
        card=_card(paths) if paths else None,
        bundle=bundle_row(paths) if paths else None,
    )


def _card(paths: TrialPaths) -> CardRow | str | None:
    card = _read(Card, paths.card, paths.store.root)
    if not isinstance(card, Card):
        return card
    return CardRow(
        status=card.status,
        reason=card.reason,
        objective_metric_name=card.objective_metric_name,
        value=card.value,
        epochs=card.epochs,
        params=card.params,
        macs=card.macs,
        latency_p50_ms=card.latency.p50_ms if card.latency else None,
        updated_at=card.updated_at,
    )


def bundle_row(paths: TrialPaths) -> BundleRow | str | None:
    """What the manifest of a trial's bundle says; None if there is no bundle, and why if it cannot be read."""
    files = paths.bundle
    manifest = _read(Manifest, files.manifest, paths.store.root)
    if manifest is None:
        return f"its bundle has no {files.manifest.name}" if files.folder.exists() else None
    if isinstance(manifest, str):
        return manifest
    return BundleRow(
        key=manifest.config.key,
        parent=manifest.config.parent,
        parent_epochs=manifest.config.parent_epochs,
        data_digest=manifest.config.data_digest,
        metrics=manifest.metrics,
        epochs=manifest.provenance.epochs,
        params=manifest.params,
        macs=manifest.macs,
        latency_p50_ms=manifest.latency.p50_ms,
        architecture=manifest.architecture,
        onnx_bytes=_size(files.network),
        best_epoch=manifest.provenance.best_epoch,
        retrained_epochs=manifest.config.retrained_epochs,
        int8_of=manifest.config.int8_of.key if manifest.config.int8_of else None,
        mirror_of=manifest.config.mirror_of.key if manifest.config.mirror_of else None,
    )


def _read(kind: type[R], path: Path, root: Path) -> R | str | None:
    """A record, None, or why it cannot be read, with its path in the store alone: a row is shown to many."""
    try:
        return kind.read(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except TornRecord as error:
        problem = error.problem
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    return f"{path.relative_to(root).as_posix()}: {problem}"


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
