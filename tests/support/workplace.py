"""The trial program as a process, and a profile small enough to train in a second."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atelier_store.layout import Store, TrialPaths
from atelier_store.records import Card
from atelier_store.spec import Spec

NETWORK = ("stem_width=4", "stage1_width=4", "batch=64")


def profile(
    epochs: int = 2, data: dict[str, Any] | None = None, experiment: dict[str, Any] | None = None, **trainer: object
) -> Spec:
    """A search without early stopping over scikit-learn's digits, unless said otherwise."""
    search: dict[str, Any] = {"name": "small", "parameters": [], "maxTrialCount": 1, "maxFailedTrialCount": 0}
    search |= {"earlyStopping": {"algorithmName": "none"}, **(experiment or {})}
    data = data or {"source": "sklearn", "name": "digits", "limit": 400}
    return Spec.model_validate({"experiment": search, "trainer": {"data": data, "maxEpochs": epochs, **trainer}})


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Workplace:
    """A folder with a store, where trials are started."""

    folder: Path

    @property
    def store(self) -> Store:
        return Store(self.folder / "store")

    @property
    def trial(self) -> TrialPaths:
        """The only trial of the store."""
        (only,) = self.store.trials()
        return only

    @property
    def card(self) -> Card:
        return Card.read(self.trial.card)

    def start(self, spec: Spec, *arguments: str, name: str | None = "t") -> subprocess.Popen[str]:
        spec.write(self.folder / "spec.json")
        command = [sys.executable, "-m", "atelier_trainer", "--spec", "spec.json", "--store", str(self.store.root)]
        command += ["--trial", name] if name else []
        environment = os.environ | {"PYTHONPATH": str(self.folder)}
        return subprocess.Popen(
            [*command, "--threads", "1", *arguments],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, spec: Spec, *arguments: str, name: str | None = "t") -> Ended:
        return ended(self.start(spec, *arguments, name=name))


def ended(process: subprocess.Popen[str]) -> Ended:
    out, err = process.communicate(timeout=300)
    return Ended(process.returncode, out, err)
