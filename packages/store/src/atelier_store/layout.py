"""Where everything is in a store: the only place that spells a path or the name of a file.

A name that is given from outside is checked here, so that no path leads out of the store: InvalidInput.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from atelier_store import names

NETWORK = "model.onnx"
"""A bundle's network; its digest is in the manifest under this name."""


@dataclass(frozen=True)
class BundlePaths:
    """The files of one bundle: a trained network, and what is needed to verify and to serve it."""

    folder: Path

    def __truediv__(self, name: str) -> Path:
        """A file of the bundle, by its name."""
        return self.folder / name

    @property
    def manifest(self) -> Path:
        return self / "manifest.json"

    @property
    def network(self) -> Path:
        return self / NETWORK

    @property
    def reference(self) -> Path:
        """Inputs with the outputs of the trained network, to compare the served network with."""
        return self / "reference.npz"

    @property
    def contents(self) -> tuple[Path, ...]:
        """The files whose digests are in the manifest."""
        return self.network, self.reference


@dataclass(frozen=True)
class VersionPaths(BundlePaths):
    """The files of one promoted version: a bundle and why it was promoted; the folder's name is the version."""

    @property
    def version(self) -> str:
        return self.folder.name

    @property
    def promotion(self) -> Path:
        return self / "promotion.json"

    @property
    def report(self) -> Path:
        return self / "report.json"

    @property
    def provenance(self) -> Path:
        """An in-toto statement of where the version comes from."""
        return self / "provenance.json"


@dataclass(frozen=True)
class TrialPaths:
    """The files of one trial; the folder's name is the trial's key."""

    folder: Path

    @property
    def store(self) -> Store:
        """The store that this trial is in."""
        return Store(self.folder.parents[1])

    @property
    def key(self) -> str:
        return self.folder.name

    @property
    def config(self) -> Path:
        return self.folder / "config.json"

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.jsonl"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "last.ckpt"

    @property
    def card(self) -> Path:
        return self.folder / "card.json"

    @property
    def bundle(self) -> BundlePaths:
        return BundlePaths(self.folder / "model")

    @property
    def out_of_fold(self) -> Path:
        """With folds: the answers of each fold's network to the rows that it has not learnt from."""
        return self.folder / "out_of_fold.npz"

    @property
    def log(self) -> Path:
        return self.folder / "trial.log"

    @property
    def replays(self) -> Path:
        """One file for each time that the trial was trained again to compare it."""
        return self.folder / "replays"

    def replay(self, time: str) -> Path:
        return self.replays / f"{time.replace(':', '')}.json"

    @property
    def lease(self) -> Path:
        return self.folder / "lease"


@dataclass(frozen=True)
class ExperimentPaths:
    """The files of one experiment."""

    folder: Path

    @property
    def store(self) -> Store:
        """The store that this experiment is in."""
        return Store(self.folder.parents[1])

    @property
    def spec(self) -> Path:
        return self.folder / "spec.json"

    @property
    def trials(self) -> Path:
        return self.folder / "trials"

    def trial(self, name: str) -> Path:
        return self.trials / f"{names.TRIAL.checked(name)}.json"

    def messages(self, name: str) -> Path:
        """What the last run of a trial wrote to standard error, where an engine keeps it."""
        return self.folder / "messages" / f"{names.TRIAL.checked(name)}.log"

    @property
    def experience(self) -> Path:
        """What earlier searches had come to when this one began."""
        return self.folder / "experience.json"

    def rung(self, epoch: int) -> Path:
        return self.folder / "rungs" / str(epoch)

    @property
    def kept_experiment(self) -> Path:
        """Katib's Experiment, for as long as it is deleted to be created again."""
        return self.folder / "katib-experiment.json"

    @property
    def leaderboard(self) -> Path:
        return self.folder / "leaderboard.json"

    @property
    def report(self) -> Path:
        """The board's views of the search as one file, for people."""
        return self.folder / "report.html"

    @property
    def index(self) -> Path:
        """A cache of what the trials' records, cards and manifests say."""
        return self.folder / "index.json"

    @property
    def lease(self) -> Path:
        return self.folder / "lease"


@dataclass(frozen=True)
class ModelPaths:
    """The files of one served model."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def store(self) -> Store:
        """The store that this model is in."""
        return Store(self.folder.parents[1])

    @property
    def versions(self) -> Path:
        return self.folder / "versions"

    def version(self, name: str) -> VersionPaths:
        return VersionPaths(self.versions / name)

    @property
    def current(self) -> Path:
        return self.folder / "current.json"

    @property
    def history(self) -> Path:
        return self.folder / "history.jsonl"

    @property
    def next_history(self) -> Path:
        """The history with a line for the move of the pointer that is under way."""
        return self.folder / "history.next.jsonl"

    @property
    def decision(self) -> Path:
        return self.folder / "decision.json"

    @property
    def search(self) -> Path:
        return self.folder / "search.json"

    def signature(self, version: str) -> Path:
        """A signature of the version's files, beside it: a version is never changed."""
        return self.folder / "signatures" / f"{version}.sig"

    def signed_provenance(self, version: str) -> Path:
        """The statement of where the version comes from, signed."""
        return self.folder / "signatures" / f"{version}.intoto.json"

    @property
    def lease(self) -> Path:
        return self.folder / "lease"


@dataclass(frozen=True)
class DataPaths:
    """Prepared arrays of one data set; the folder's name is the data digest's first 16 hex digits."""

    folder: Path

    @property
    def description(self) -> Path:
        return self.folder / "data.json"

    def array(self, name: str) -> Path:
        """train_x, train_y, test_x or test_y, as .npy without pickle."""
        return self.folder / f"{name}.npy"


@dataclass(frozen=True)
class Store:
    """Where everything is below one folder: it spells paths, and reads no more than the names of folders."""

    root: Path

    def trial(self, key: str) -> TrialPaths:
        return TrialPaths(self.root / "trials" / key)

    def trials(self) -> list[TrialPaths]:
        """Every trial folder, by key."""
        return [TrialPaths(folder) for folder in _folders(self.root / "trials")]

    def experiment(self, name: str) -> ExperimentPaths:
        return ExperimentPaths(self.root / "experiments" / names.EXPERIMENT.checked(name))

    def experiments(self) -> list[ExperimentPaths]:
        """Every experiment folder, by name."""
        return [ExperimentPaths(folder) for folder in _folders(self.root / "experiments")]

    def model(self, name: str) -> ModelPaths:
        return ModelPaths(self.root / "models" / names.MODEL.checked(name))

    def models(self) -> list[ModelPaths]:
        """Every model folder, by name."""
        return [ModelPaths(folder) for folder in _folders(self.root / "models")]

    def data(self, digest: str) -> DataPaths:
        return DataPaths(self.root / "data" / digest[:16])

    @property
    def data_sources(self) -> Path:
        """One file per known source, saying which prepared data it gives: data/sources/<digest of the source>.json."""
        return self.root / "data" / "sources"

    @property
    def baselines(self) -> Path:
        """One file for each data set and split: baselines/<digest>.json."""
        return self.root / "baselines"

    def shortlist(self, digest: str) -> Path:
        """Scores of the untrained networks of one space on one data set; a cache."""
        return self.root / "shortlists" / f"{digest[:16]}.json"

    @property
    def notes(self) -> Path:
        """What people say of trials, one file for each."""
        return self.root / "notes"

    def note(self, key: str) -> Path:
        return self.notes / f"{names.KEY.checked(key)}.json"

    @property
    def downloads(self) -> Path:
        """Where fetched files are kept, unless the user names another folder."""
        return self.root / "downloads"


def _folders(parent: Path) -> list[Path]:
    return sorted(p for p in parent.iterdir() if p.is_dir() and not p.name.startswith(".")) if parent.is_dir() else []
