"""One small search: its profile, and the commands that run it as a person would."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from atelier_store.layout import Store
from atelier_store.records import Card

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


@dataclass(frozen=True)
class Searches:
    """A profile, and the command that searches it."""

    profile: Path

    def command(self, name: str, store: Path, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "atelier_cli", name, "-f", str(self.profile), "--store", str(store), *arguments]

    def run(self, store: Path, *arguments: str, name: str = "search") -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(name, store, *arguments), capture_output=True, text=True, env=environment())

    def start(self, store: Path, *arguments: str) -> subprocess.Popen[str]:
        """The search in a process group of its own, as a terminal starts it."""
        command = self.command("search", store, *arguments)
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=environment(),
        )


def environment() -> dict[str, str]:
    return os.environ | {"COLUMNS": "100", "PYTHONPATH": str(Path(__file__).parent)}


def atelier(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "atelier_cli", *arguments], capture_output=True, text=True, env=environment()
    )


def weights(store: Path) -> dict[str, str | None]:
    """Digest of the final weights of every trial, by key."""
    return {paths.key: Card.read(paths.card).weights_sha256 for paths in Store(store).trials()}
