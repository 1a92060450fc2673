"""The trial program as a process, and a profile small enough to train in a second."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from atelier_cli.search.children import CONTEXT, PRELOADED, start_fork_server
from atelier_store.layout import Store, TrialPaths
from atelier_store.records import Card
from atelier_store.spec import Spec

TIMEOUT = 300
"""Seconds. A busy machine may take long, and only a fault takes as long as this."""

PRELOADED.extend(name for name in ("sklearn.datasets", "sklearn.ensemble", "sklearn.impute") if name not in PRELOADED)
"""Each of these trials is the first of its store: it prepares data and trains baselines, which a search does once."""

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

    def start(
        self, spec: Spec, *arguments: str, name: str | None = "t", script: str = "exec {trial}"
    ) -> subprocess.Popen[str]:
        """Start the program as a container does, by a script of the shell if it is given."""
        trial = [sys.executable, "-m", "atelier_trainer", *self._arguments(spec, name, arguments)]
        return subprocess.Popen(
            ["sh", "-c", script.format(trial=shlex.join(trial))],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self, spec: Spec, *arguments: str, name: str | None = "t", before: Callable[[], object] | None = None
    ) -> Ended:
        """Run the program as a search does: forked from a process that has imported torch, which takes seconds.

        before is a module's function; it is called in the forked process.
        """
        with tempfile.TemporaryDirectory() as folder:
            printed = Path(folder, "out"), Path(folder, "err")
            start_fork_server()
            process = CONTEXT.Process(
                target=_run,
                args=(self._arguments(spec, name, arguments), self.folder, dict(os.environ), printed, before),
            )
            process.start()
            process.join(TIMEOUT)
            assert process.exitcode is not None, printed[1].read_text()
            return Ended(process.exitcode, *(path.read_text() for path in printed))

    def _arguments(self, spec: Spec, name: str | None, arguments: tuple[str, ...]) -> list[str]:
        spec.write(self.folder / "spec.json")
        trial = ["--trial", name] if name else []
        return ["--spec", "spec.json", "--store", str(self.store.root), *trial, "--threads", "1", *arguments]


def _run(
    arguments: list[str],
    folder: Path,
    environment: dict[str, str],
    printed: tuple[Path, Path],
    before: Callable[[], object] | None,
) -> NoReturn:
    """The program in the forked process, with its output in two files."""
    from atelier_trainer import __main__ as trainer

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, path in enumerate(printed, 1):
        with path.open("w") as file:
            os.dup2(file.fileno(), number)
    sys.stdout, sys.stderr = (open(number, "w", closefd=False, buffering=1) for number in (1, 2))  # noqa: SIM115
    if before is not None:
        before()
    trainer.leave(trainer.main(arguments))


def ended(process: subprocess.Popen[str]) -> Ended:
    out, err = process.communicate(timeout=TIMEOUT)
    return Ended(process.returncode, out, err)
