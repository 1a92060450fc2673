"""Everything in a store hashed again, and what does not match named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from atelier_store import bundle
from atelier_store.arrays import data_digest, open_arrays
from atelier_store.files import TEMPORARY, sha256_file
from atelier_store.layout import DataPaths, ExperimentPaths, ModelPaths, Store, TrialPaths
from atelier_store.records import Card, Current, DataDescription, Leaderboard, Promotion, Record, TornRecord, TrialConfig, TrialRecord
from atelier_store.spec import Spec

Paths = TypeVar("Paths", DataPaths, TrialPaths, ExperimentPaths, ModelPaths)
R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it was written."""

    path: Path
    problem: str


@dataclass(frozen=True)
class Audit:
    """checked counts what was looked at, by kind; leftovers are unfinished files of processes that were killed, which nobody reads."""

    findings: list[Finding]
    checked: dict[str, int]
    leftovers: list[Path]


def audit(store: Store, on_progress: Callable[[Path], object] = lambda _: None) -> Audit:
    """Re-hash every trial, data set, experiment and promoted version."""
    data = [DataPaths(p) for p in sorted((store.root / "data").glob("*")) if p.is_dir() and p != store.data_sources and p.name[0] != "."]
    kinds: list[tuple[str, list[Path], Iterator[Finding]]] = [
        ("data sets", [d.folder for d in data], _each(data, _data, on_progress)),
        ("trials", [t.folder for t in store.trials()], _each(store.trials(), _trial, on_progress)),
        ("experiments", [e.folder for e in store.experiments()], _each(store.experiments(), _experiment, on_progress)),
        ("models", [m.folder for m in store.models()], _each(store.models(), _model, on_progress)),
    ]
    findings = [finding for _, _, found in kinds for finding in found]
    leftovers = sorted(path for path in store.root.rglob(f"{TEMPORARY}*"))
    return Audit(findings, {name: len(folders) for name, folders, _ in kinds}, leftovers)


def _each(items: list[Paths], check: Callable[[Paths], Iterator[Finding]], on_progress: Callable[[Path], object]) -> Iterator[Finding]:
    for item in items:
        on_progress(item.folder)
        yield from check(item)


def _read(kind: type[R], path: Path) -> tuple[R | None, list[Finding]]:
    try:
        return kind.read(path), []
    except FileNotFoundError:
        return None, [Finding(path, "missing")]
    except TornRecord as error:
        return None, [Finding(path, str(error).removeprefix(f"{path}: "))]


def _data(paths: DataPaths) -> Iterator[Finding]:
    description, findings = _read(DataDescription, paths.description)
    yield from findings
    if description is None:
        return
    try:
        found = data_digest(description, open_arrays(paths))
    except (OSError, ValueError) as error:
        yield Finding(paths.folder, f"arrays cannot be read: {error}")
        return
    if found != description.digest or not found.startswith(paths.folder.name):
        yield Finding(paths.folder, f"its digest is {found}, data.json says {description.digest}")


def _trial(paths: TrialPaths) -> Iterator[Finding]:
    config, findings = _read(TrialConfig, paths.config)
    yield from findings
    if config is not None and config.key != paths.key:
        yield Finding(paths.config, f"its key is {config.key}")
    card, findings = _read(Card, paths.card)
    yield from findings
    if card is not None:
        yield from _files(paths.folder, card.files)
    if paths.bundle.exists():
        yield from (Finding(paths.bundle, problem) for problem in bundle.check_digests(paths.bundle))


def _files(folder: Path, files: dict[str, str]) -> Iterator[Finding]:
    for name, expected in files.items():
        path = folder / name
        if not path.exists():
            yield Finding(path, "missing")
        elif (found := sha256_file(path)) != expected:
            yield Finding(path, f"its sha256 is {found}, the card says {expected}")


def _experiment(paths: ExperimentPaths) -> Iterator[Finding]:
    try:
        spec = Spec.read(paths.spec)
        if spec.experiment_name != paths.folder.name:
            yield Finding(paths.spec, f"is the spec of {spec.experiment_name}")
    except (OSError, ValueError) as error:
        yield Finding(paths.spec, f"cannot be read: {error}")
    for path in sorted(paths.trials.glob("[!.]*.json")):
        yield from _read(TrialRecord, path)[1]
    if paths.leaderboard.exists():
        yield from _read(Leaderboard, paths.leaderboard)[1]


def _model(paths: ModelPaths) -> Iterator[Finding]:
    for folder in sorted(paths.versions.glob("[!.]*")):
        yield from (Finding(folder, problem) for problem in bundle.check_digests(folder))
        if (folder / "manifest.json").exists() and not sha256_file(folder / "manifest.json").startswith(folder.name):
            yield Finding(folder, f"manifest.json has sha256 {sha256_file(folder / 'manifest.json')}")
        yield from _read(Promotion, folder / "promotion.json")[1]
    if not paths.current.exists():
        return
    current, findings = _read(Current, paths.current)
    yield from findings
    if current is not None and not (paths.versions / current.version).is_dir():
        yield Finding(paths.current, f"names version {current.version}, which is not there")
