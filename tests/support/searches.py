"""One small search: its profile, and the commands that run it, in this process or as a person would."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from atelier_cli.__main__ import app
from atelier_store.layout import Store
from atelier_store.lease import Lease
from atelier_store.ranking import trial_records
from atelier_store.records import Card
from typer.testing import CliRunner

from tests.support import ROOT

PROFILE = """
experiment:
  name: tiny
  maxTrialCount: 5
  maxFailedTrialCount: 1
  parallelTrialCount: 2
  algorithm: {algorithmName: random}
  parameters:
    - {name: stem_width, parameterType: discrete, feasibleSpace: {list: [8, 12]}}
    - {name: stage1_width, parameterType: discrete, feasibleSpace: {list: [8, 12, 16]}}
    - {name: lr, parameterType: double, feasibleSpace: {min: 0.003, max: 0.02, distribution: logUniform}}
    - {name: batch, parameterType: discrete, feasibleSpace: {list: [16]}}
trainer:
  data: {source: sklearn, name: digits, limit: 300}
  maxEpochs: 5
  tailEpochs: 1
"""

Completed = subprocess.CompletedProcess[str]


def atelier(*arguments: str) -> Completed:
    """Run the command in this process: it imports nothing again, and its searches share one fork server."""
    runner = CliRunner(env={"COLUMNS": "100"})
    result = runner.invoke(app, arguments, prog_name="atelier", catch_exceptions=False)
    return Completed(arguments, result.exit_code, result.stdout, result.stderr)


@dataclass(frozen=True)
class Searches:
    """A profile, and the commands that search it."""

    profile: Path

    def run(self, store: Path, *arguments: str, name: str = "search") -> Completed:
        """Run the command in this process."""
        return atelier(*self._arguments(name, store, *arguments))

    def command(self, name: str, store: Path, *arguments: str) -> list[str]:
        """The command line of a process of its own."""
        return [sys.executable, "-m", "atelier_cli", *self._arguments(name, store, *arguments)]

    def run_process(self, store: Path, *arguments: str) -> Completed:
        """Search in a process of its own."""
        command = self.command("search", store, *arguments)
        return subprocess.run(command, capture_output=True, text=True, env=environment())

    def start(self, store: Path, *arguments: str) -> subprocess.Popen[str]:
        """Start a search in a process group of its own, as a terminal does."""
        return subprocess.Popen(
            self.command("search", store, *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=environment(),
        )

    def _arguments(self, name: str, store: Path, *arguments: str) -> list[str]:
        return [name, "-f", str(self.profile), "--store", str(store), *arguments]


Finished = tuple[Path, str]
"""The store of a finished search, and what the search printed."""
Edit = Callable[[str, str], Searches]
"""Replaces a part of the profile."""


def environment() -> dict[str, str]:
    """For processes whose profile names a network of tests.support."""
    return os.environ | {"COLUMNS": "100", "PYTHONPATH": str(ROOT)}


@contextmanager
def held(store: Path, key: str) -> Iterator[None]:
    """Keep a search from ending: its trial with this key waits for the lease, which this process holds."""
    with Lease.acquire(Store(store).trial(key).lease, "a test"):
        yield


def trial_processes(engine: int) -> list[int]:
    """Processes of the trials that this engine runs now."""
    return [trial for server in fork_servers(engine) for trial, _ in _children(server)]


def fork_servers(engine: int) -> list[int]:
    """The fork server of an engine, once it has started."""
    return [child for child, command in _children(engine) if b"forkserver" in command]


def _children(pid: int) -> list[tuple[int, bytes]]:
    """Processes that a process started, with their command lines."""
    children = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with contextlib.suppress(OSError):  # it may end at any moment
            children.append((int(child), Path(f"/proc/{child}/cmdline").read_bytes()))
    return children


def weights(store: Path) -> dict[str, str | None]:
    """Digest of the final weights of every trial, by key."""
    return {paths.key: Card.read(paths.card).weights_sha256 for paths in Store(store).trials()}


def suggested(store: Path) -> list[str]:
    """Keys of the trials of the store's only experiment, in the order of suggestion."""
    (experiment,) = Store(store).experiments()
    return [record.key for record in trial_records(experiment) if record.number is not None and record.key is not None]
