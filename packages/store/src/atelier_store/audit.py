"""Audit: hash everything in a store again, and name what does not match.

Whatever a decision is made from is hashed somewhere: records, and lines of a curve or a history, by their own digests;
arrays, networks and checkpoints by a record's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from atelier_store import bundle, history, sealed
from atelier_store.arrays import data_digest, stored_arrays
from atelier_store.curve import read_curve
from atelier_store.files import TEMPORARY, sha256_file
from atelier_store.layout import (
    BundlePaths,
    DataPaths,
    ExperimentPaths,
    ModelPaths,
    Store,
    TrialPaths,
    VersionPaths,
)
from atelier_store.provenance import Statement
from atelier_store.records import (
    Baselines,
    Card,
    Current,
    DataDescription,
    DataSource,
    Decision,
    EarlierSearches,
    HistoryLine,
    KeptExperiment,
    Leaderboard,
    Manifest,
    Note,
    Promotion,
    Record,
    Replay,
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
class Mismatch:
    """One file or folder that is not as it was written, or not there."""

    path: Path
    problem: str


@dataclass(frozen=True)
class Audit:
    """checked counts what was checked, by kind; leftovers are unfinished files of killed processes, never read.

    unprotected are records from before records had digests: that one of them was changed may not show.
    """

    mismatches: list[Mismatch]
    checked: dict[str, int]
    leftovers: list[Path]
    unprotected: list[Path]


def folders(store: Store) -> dict[str, list[Path]]:
    """What an audit hashes, by kind: a folder each."""
    return {
        "data sets": [paths.folder for paths in _data_sets(store)],
        "trials": [paths.folder for paths in store.trials()],
        "experiments": [paths.folder for paths in store.experiments()],
        "models": [paths.folder for paths in store.models()],
    }


def _data_sets(store: Store) -> list[DataPaths]:
    found = sorted((store.root / "data").glob("*"))
    return [DataPaths(path) for path in found if path.is_dir() and path != store.data_sources and path.name[0] != "."]


def audit(store: Store, on_progress: Callable[[Path], object] = lambda _: None) -> Audit:
    """Re-hash every trial, data set, experiment and promoted version. on_progress gets each folder before it."""
    data = _data_sets(store)
    kinds: list[tuple[str, list[Path], Iterator[Mismatch]]] = [
        ("data sets", [d.folder for d in data], _each(data, _data, on_progress)),
        ("trials", [t.folder for t in store.trials()], _each(store.trials(), _trial, on_progress)),
        ("experiments", [e.folder for e in store.experiments()], _each(store.experiments(), _experiment, on_progress)),
        ("models", [m.folder for m in store.models()], _each(store.models(), _model, on_progress)),
    ]
    mismatches = [*_sources(store), *(mismatch for _, _, of_kind in kinds for mismatch in of_kind)]
    leftovers = sorted(path for path in store.root.rglob(f"{TEMPORARY}*"))
    unprotected = [path for path in _records(store, data) if path.is_file() and not _is_sealed(path)]
    return Audit(mismatches, {name: len(folders) for name, folders, _ in kinds}, leftovers, unprotected)


def _records(store: Store, data: list[DataPaths]) -> Iterator[Path]:
    """Every record that nothing but its own digest protects."""
    yield from (*_whole_files(store.data_sources, "*.json"), *_whole_files(store.baselines, "*.json"))
    yield from _whole_files(store.notes, "*.json")
    yield from (paths.description for paths in data)
    for trial in store.trials():
        yield from (trial.card, *_replays(trial))
    for experiment in store.experiments():
        yield from (experiment.spec, *_trial_records(experiment), *_rungs(experiment), experiment.leaderboard)
        yield from (experiment.kept_experiment, experiment.experience)
    for model in store.models():
        for version in _versions(model):
            yield from (version.promotion, version.report, version.provenance)
        yield from (model.current, model.history, model.next_history, model.search, model.decision)


def _is_sealed(path: Path) -> bool:
    content = path.read_bytes()
    if path.suffix == ".jsonl":  # one with a digest protects those before it
        return any(line.is_sealed for line in list(sealed.read_lines(content))[-1:])
    return sealed.is_document(content)


def _whole_files(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))


def _trial_records(paths: ExperimentPaths) -> list[Path]:
    return _whole_files(paths.trials, "*.json")


def _replays(paths: TrialPaths) -> list[Path]:
    return _whole_files(paths.replays, "*.json")


def _rungs(paths: ExperimentPaths) -> list[Path]:
    return _whole_files(paths.folder, "rungs/*/*.json")


def _versions(paths: ModelPaths) -> list[VersionPaths]:
    return [paths.version(folder.name) for folder in _whole_files(paths.versions, "*")]


def _sources(store: Store) -> Iterator[Mismatch]:
    for path in _whole_files(store.data_sources, "*.json"):
        yield from _read(DataSource, path)[1]
    for path in _whole_files(store.baselines, "*.json"):
        yield from _read(Baselines, path)[1]
    for path in _whole_files(store.notes, "*.json"):
        yield from _read(Note, path)[1]


def _each(
    items: list[Paths], check: Callable[[Paths], Iterator[Mismatch]], on_progress: Callable[[Path], object]
) -> Iterator[Mismatch]:
    for item in items:
        on_progress(item.folder)
        try:
            yield from check(item)
        except OSError as error:  # such as a folder where a file should be
            yield Mismatch(Path(error.filename or item.folder), f"cannot be read: {error.strerror}")


def _read(kind: type[R], path: Path) -> tuple[R | None, list[Mismatch]]:
    try:
        return kind.read(path), []
    except FileNotFoundError:
        return None, [Mismatch(path, "missing")]
    except OSError as error:
        return None, [Mismatch(path, f"cannot be read: {error.strerror}")]
    except TornRecord as error:
        return None, [Mismatch(path, error.problem)]


def _data(paths: DataPaths) -> Iterator[Mismatch]:
    description, mismatches = _read(DataDescription, paths.description)
    yield from mismatches
    if description is None:
        return
    try:
        arrays = stored_arrays(paths, description)
        digest = data_digest(description, arrays)
    except Exception as error:  # numpy and its parser raise many types for a damaged header
        yield Mismatch(paths.folder, f"arrays cannot be read: {error}")
        return
    for part, rows in (("train", description.train_rows), ("test", description.test_rows)):
        if len(arrays[f"{part}_x"]) != rows:
            yield Mismatch(paths.description, f"{part}_rows: is {rows}, the array has {len(arrays[f'{part}_x'])}")
    if digest != description.digest or not digest.startswith(paths.folder.name):
        yield Mismatch(paths.folder, f"its digest is {digest}, {paths.description.name} says {description.digest}")


def _trial(paths: TrialPaths) -> Iterator[Mismatch]:
    if not any(path.exists() for path in (paths.card, paths.metrics, paths.checkpoint, paths.bundle.folder)):
        return  # it was killed as it began; the next run begins it again
    config, mismatches = _read(TrialConfig, paths.config)
    yield from mismatches
    if config is not None and config.key != paths.key:
        yield Mismatch(paths.config, f"its key is {config.key}")
    card, mismatches = _read(Card, paths.card)
    yield from mismatches
    if card is not None:
        if card.key != paths.key:
            yield Mismatch(paths.card, f"is the card of {card.key}")
        yield from _files(paths.folder, card.files)
    if paths.metrics.exists():
        yield from _curve(paths.metrics)
    for path in _replays(paths):
        yield from _replay(path, paths.key)
    if paths.bundle.folder.exists():
        yield from _bundle(paths.bundle, paths.key)


def _replay(path: Path, key: str) -> Iterator[Mismatch]:
    replayed, mismatches = _read(Replay, path)
    yield from mismatches
    if replayed is not None and replayed.key != key:
        yield Mismatch(path, f"is a replay of {replayed.key}")


def _curve(path: Path) -> Iterator[Mismatch]:
    """The first line that is not as it was written. A line without its end was left by a kill, and is never read."""
    content = path.read_bytes()
    whole, has_digests = len(read_curve(path)), any(line.is_sealed for line in sealed.read_lines(content))
    if has_digests and whole < content.count(b"\n"):
        yield Mismatch(path, f"line {whole + 1}: not epoch {whole + 1} as it was written")


def _bundle(paths: BundlePaths, key: str | None) -> Iterator[Mismatch]:
    """What is wrong with a bundle; key is its trial's, None if that is not known."""
    yield from (Mismatch(paths.folder, problem) for problem in bundle.check_digests(paths))
    manifest = Manifest.read_if_whole(paths.manifest)
    if manifest is not None and key is not None and manifest.config.key != key:
        yield Mismatch(paths.manifest, f"is of trial {manifest.config.key}")


def _files(folder: Path, files: dict[str, str]) -> Iterator[Mismatch]:
    for name, expected in files.items():
        path = folder / name
        if not path.exists():
            yield Mismatch(path, "missing")
        elif (actual := sha256_file(path)) != expected:
            yield Mismatch(path, f"its sha256 is {actual}, the card says {expected}")


def _experiment(paths: ExperimentPaths) -> Iterator[Mismatch]:
    try:
        spec = Spec.read(paths.spec)
        if spec.experiment_name != paths.folder.name:
            yield Mismatch(paths.spec, f"is the spec of {spec.experiment_name}")
    except sealed.Altered as error:
        yield Mismatch(paths.spec, error.problem)
    except (OSError, ValueError) as error:
        yield Mismatch(paths.spec, f"cannot be read: {error}")
    for path in _trial_records(paths):
        yield from _read(TrialRecord, path)[1]
    for path in _rungs(paths):
        yield from _read(RungValue, path)[1]
    if paths.leaderboard.exists():
        yield from _read(Leaderboard, paths.leaderboard)[1]
    if paths.kept_experiment.exists():
        yield from _read(KeptExperiment, paths.kept_experiment)[1]
    if paths.experience.exists():
        yield from _experience(paths)


def _experience(paths: ExperimentPaths) -> Iterator[Mismatch]:
    """Values that the search learnt from and that the curves of this store contradict; curves may go on or be gone."""
    earlier, mismatches = _read(EarlierSearches, paths.experience)
    yield from mismatches
    try:
        metric = Spec.read(paths.spec).experiment.objective.objective_metric_name
    except (OSError, ValueError):
        return  # which is named already
    own = [search for search in earlier.searches if search.store is None] if earlier else []
    for trial in (trial for search in own for trial in search.trials):
        curve = read_curve(paths.store.trial(trial.key).metrics)
        if any(epoch.metrics.get(metric) != value for epoch, value in zip(curve, trial.values, strict=False)):
            yield Mismatch(paths.experience, f"has values of {trial.key} that are not those of its curve")


def _model(paths: ModelPaths) -> Iterator[Mismatch]:
    for version in _versions(paths):
        yield from _version(version)
    if paths.search.exists():
        yield from _search(paths)
    if paths.decision.exists():
        yield from _decision(paths)
    if paths.next_history.exists():
        yield from _history(paths.next_history)[1]
    if not paths.current.exists() and not paths.history.exists():
        return  # a first promotion was killed, or found nothing to promote
    current, mismatches = _read(Current, paths.current)
    lines, torn = _history(paths.history)
    yield from (*mismatches, *torn)
    if current is None:
        return
    yield from _pointer(paths, current)
    if not torn and lines[-1].version != current.version:
        yield Mismatch(
            paths.history, f"ends with version {lines[-1].version}, {paths.current.name} names {current.version}"
        )


def _search(paths: ModelPaths) -> Iterator[Mismatch]:
    search, mismatches = _read(Search, paths.search)
    yield from mismatches
    if search is not None and search.model != paths.name:
        yield Mismatch(paths.search, f"is of model {search.model}")


def _decision(paths: ModelPaths) -> Iterator[Mismatch]:
    decision, mismatches = _read(Decision, paths.decision)
    yield from mismatches
    if decision is not None and decision.model != paths.name:
        yield Mismatch(paths.decision, f"is of model {decision.model}")


def _version(paths: VersionPaths) -> Iterator[Mismatch]:
    promotion, mismatches = _read(Promotion, paths.promotion)
    yield from mismatches
    if promotion is not None and promotion.version != paths.version:
        yield Mismatch(paths.promotion, f"is of version {promotion.version}")
    if paths.report.exists():  # versions from before there were reports have none
        yield from _report(paths.report, promotion)
    if paths.provenance.exists():  # as above
        yield from _provenance(paths)
    yield from _bundle(paths, promotion.key if promotion else None)
    if paths.manifest.exists() and not (digest := sha256_file(paths.manifest)).startswith(paths.version):
        yield Mismatch(paths.folder, f"{paths.manifest.name} has sha256 {digest}")


def _report(path: Path, promotion: Promotion | None) -> Iterator[Mismatch]:
    report, mismatches = _read(Report, path)
    yield from mismatches
    if report is not None and promotion is not None and report.experiment != promotion.experiment:
        yield Mismatch(path, f"is of experiment {report.experiment}")


def _provenance(paths: VersionPaths) -> Iterator[Mismatch]:
    said, mismatches = _read(Statement, paths.provenance)
    yield from mismatches
    if said is not None and any(
        sha256_file(paths.folder / one.name) != one.digest.get("sha256")
        for one in said.subject
        if (paths.folder / one.name).exists()
    ):
        yield Mismatch(paths.provenance, "is not about the files of this version")


def _pointer(paths: ModelPaths, current: Current) -> Iterator[Mismatch]:
    version = paths.version(current.version)
    if current.model != paths.name:
        yield Mismatch(paths.current, f"is the pointer of model {current.model}")
    if not version.folder.is_dir():
        yield Mismatch(paths.current, f"names version {current.version}, which is not there")
    elif version.manifest.exists() and sha256_file(version.manifest) != current.manifest_sha256:
        yield Mismatch(
            paths.current, f"manifest_sha256: is {current.manifest_sha256}, not that of version {current.version}"
        )


def _history(path: Path) -> tuple[list[HistoryLine], list[Mismatch]]:
    """The whole lines, and what is wrong: each must be whole and go on from the one before."""
    if not path.exists():
        return [], [Mismatch(path, "missing")]
    lines: list[HistoryLine] = []
    mismatches = []
    for number, line in enumerate(history.parse(path.read_bytes()), 1):
        if line is None:
            mismatches.append(Mismatch(path, f"line {number}: not a whole {HistoryLine.__name__}"))
            continue
        if not mismatches and line.previous != (lines[-1].version if lines else None):
            mismatches.append(
                Mismatch(path, f"line {number}: goes on from version {line.previous}, which is not the line before")
            )
        lines.append(line)
    return lines, mismatches if lines or mismatches else [Mismatch(path, "holds no line")]
