"""Everything in a store hashed again, and what does not match named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from atelier_store import bundle
from atelier_store.arrays import data_digest, open_arrays
from atelier_store.files import TEMPORARY, sha256_file
from atelier_store.layout import DataPaths, ExperimentPaths, ModelPaths, Store, TrialPaths
from atelier_store.records import (
    Card,
    Current,
    DataDescription,
    HistoryLine,
    Leaderboard,
    Manifest,
    Promotion,
    Record,
    Report,
    RungValue,
    Search,
    TornRecord,
    TrialConfig,
    TrialRecord,
)
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
    data = [
        DataPaths(p)
        for p in sorted((store.root / "data").glob("*"))
        if p.is_dir() and p != store.data_sources and p.name[0] != "."
    ]
    kinds: list[tuple[str, list[Path], Iterator[Finding]]] = [
        ("data sets", [d.folder for d in data], _each(data, _data, on_progress)),
        ("trials", [t.folder for t in store.trials()], _each(store.trials(), _trial, on_progress)),
        ("experiments", [e.folder for e in store.experiments()], _each(store.experiments(), _experiment, on_progress)),
        ("models", [m.folder for m in store.models()], _each(store.models(), _model, on_progress)),
    ]
    findings = [finding for _, _, found in kinds for finding in found]
    leftovers = sorted(path for path in store.root.rglob(f"{TEMPORARY}*"))
    return Audit(findings, {name: len(folders) for name, folders, _ in kinds}, leftovers)


def _each(
    items: list[Paths], check: Callable[[Paths], Iterator[Finding]], on_progress: Callable[[Path], object]
) -> Iterator[Finding]:
    for item in items:
        on_progress(item.folder)
        yield from check(item)


def _read(kind: type[R], path: Path) -> tuple[R | None, list[Finding]]:
    try:
        return kind.read(path), []
    except FileNotFoundError:
        return None, [Finding(path, "missing")]
    except OSError as error:
        return None, [Finding(path, f"cannot be read: {error.strerror}")]
    except TornRecord as error:
        return None, [Finding(path, str(error).removeprefix(f"{path}: "))]


def _data(paths: DataPaths) -> Iterator[Finding]:
    description, findings = _read(DataDescription, paths.description)
    yield from findings
    if description is None:
        return
    try:
        arrays = open_arrays(paths)
        found = data_digest(description, arrays)
    except Exception as error:  # a damaged header of an array raises whatever numpy or its parser comes to
        yield Finding(paths.folder, f"arrays cannot be read: {error}")
        return
    for part, said in (("train", description.train_rows), ("test", description.test_rows)):
        if len(arrays[f"{part}_x"]) != said:
            yield Finding(paths.description, f"{part}_rows: is {said}, the array has {len(arrays[f'{part}_x'])}")
    if found != description.digest or not found.startswith(paths.folder.name):
        yield Finding(paths.folder, f"its digest is {found}, data.json says {description.digest}")


def _trial(paths: TrialPaths) -> Iterator[Finding]:
    if not any(path.exists() for path in (paths.card, paths.metrics, paths.checkpoint, paths.bundle)):
        return  # it was killed as it began; the next run begins it again
    config, findings = _read(TrialConfig, paths.config)
    yield from findings
    if config is not None and config.key != paths.key:
        yield Finding(paths.config, f"its key is {config.key}")
    card, findings = _read(Card, paths.card)
    yield from findings
    if card is not None:
        if card.key != paths.key:
            yield Finding(paths.card, f"is the card of {card.key}")
        yield from _files(paths.folder, card.files)
    if paths.bundle.exists():
        yield from _bundle(paths.bundle, paths.key)


def _bundle(folder: Path, key: str | None) -> Iterator[Finding]:
    """What is wrong with a bundle; key, if known, is the trial's that it must be of."""
    yield from (Finding(folder, problem) for problem in bundle.check_digests(folder))
    manifest = Manifest.read_if_whole(folder / "manifest.json")
    if manifest is not None and key is not None and manifest.config.key != key:
        yield Finding(folder / "manifest.json", f"is of trial {manifest.config.key}")


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
    for path in sorted(paths.folder.glob("rungs/*/[!.]*.json")):
        yield from _read(RungValue, path)[1]
    if paths.leaderboard.exists():
        yield from _read(Leaderboard, paths.leaderboard)[1]


def _model(paths: ModelPaths) -> Iterator[Finding]:
    for folder in sorted(paths.versions.glob("[!.]*")):
        yield from _version(folder)
    if paths.search.exists():
        yield from _search(paths)
    if not paths.current.exists() and not paths.history.exists():
        return  # a first promotion was killed, or found nothing to promote
    current, findings = _read(Current, paths.current)
    lines, torn = _history(paths.history)
    yield from (*findings, *torn)
    if current is None:
        return
    yield from _pointer(paths, current)
    if not torn and lines[-1].version != current.version:
        yield Finding(paths.history, f"ends with version {lines[-1].version}, current.json names {current.version}")


def _search(paths: ModelPaths) -> Iterator[Finding]:
    search, findings = _read(Search, paths.search)
    yield from findings
    if search is not None and search.model != paths.name:
        yield Finding(paths.search, f"is of model {search.model}")


def _version(folder: Path) -> Iterator[Finding]:
    promotion, findings = _read(Promotion, folder / "promotion.json")
    yield from findings
    if promotion is not None and promotion.version != folder.name:
        yield Finding(folder / "promotion.json", f"is of version {promotion.version}")
    if (folder / "report.json").exists():  # versions of before it was kept have none
        yield from _report(folder / "report.json", promotion)
    yield from _bundle(folder, promotion.key if promotion else None)
    if (folder / "manifest.json").exists() and not (found := sha256_file(folder / "manifest.json")).startswith(
        folder.name
    ):
        yield Finding(folder, f"manifest.json has sha256 {found}")


def _report(path: Path, promotion: Promotion | None) -> Iterator[Finding]:
    report, findings = _read(Report, path)
    yield from findings
    if report is not None and promotion is not None and report.experiment != promotion.experiment:
        yield Finding(path, f"is of experiment {report.experiment}")


def _pointer(paths: ModelPaths, current: Current) -> Iterator[Finding]:
    manifest = paths.versions / current.version / "manifest.json"
    if current.model != paths.name:
        yield Finding(paths.current, f"is the pointer of model {current.model}")
    if not manifest.parent.is_dir():
        yield Finding(paths.current, f"names version {current.version}, which is not there")
    elif manifest.exists() and sha256_file(manifest) != current.manifest_sha256:
        yield Finding(
            paths.current, f"manifest_sha256: is {current.manifest_sha256}, not that of version {current.version}"
        )


def _history(path: Path) -> tuple[list[HistoryLine], list[Finding]]:
    """The lines, and what is wrong with them: each must be whole and go on from the one before."""
    if not path.exists():
        return [], [Finding(path, "missing")]
    lines: list[HistoryLine] = []
    findings = []
    for number, text in enumerate(path.read_bytes().splitlines(), 1):
        try:
            line = HistoryLine.model_validate_json(text)
        except ValidationError:
            findings.append(Finding(path, f"line {number}: not a whole {HistoryLine.__name__}"))
            continue
        if not findings and line.previous != (lines[-1].version if lines else None):
            findings.append(
                Finding(path, f"line {number}: goes on from version {line.previous}, which is not the line before")
            )
        lines.append(line)
    return lines, findings if lines or findings else [Finding(path, "holds no line")]
