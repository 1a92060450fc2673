"""One small search, run once; tests that change a store take a copy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
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
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, env=environment()
        )


def environment() -> dict[str, str]:
    return os.environ | {"COLUMNS": "100", "PYTHONPATH": str(Path(__file__).parent)}


def atelier(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "atelier_cli", *arguments], capture_output=True, text=True, env=environment())


def weights(store: Path) -> dict[str, str | None]:
    """Digest of the final weights of every trial, by key."""
    return {paths.key: Card.read(paths.card).weights_sha256 for paths in Store(store).trials()}


@pytest.fixture(scope="session")
def searches(tmp_path_factory: pytest.TempPathFactory) -> Searches:
    profile = tmp_path_factory.mktemp("profile") / "tiny.yaml"
    profile.write_text(PROFILE)
    return Searches(profile)


@pytest.fixture(scope="session")
def finished(searches: Searches, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The store of a finished search, which nobody changes, and what the search printed."""
    store = tmp_path_factory.mktemp("finished") / "store"
    done = searches.run(store)
    assert done.returncode == 0, done.stderr
    return store, done.stdout


@pytest.fixture
def copied(finished: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of the finished store."""
    shutil.copytree(finished[0], tmp_path / "store", symlinks=True)
    return tmp_path / "store"


@pytest.fixture
def edited(searches: Searches, tmp_path: Path) -> Callable[[str, str], Searches]:
    """The same profile with a part replaced."""

    def edit(old: str, new: str) -> Searches:
        assert old in PROFILE
        (tmp_path / "tiny.yaml").write_text(PROFILE.replace(old, new))
        return Searches(tmp_path / "tiny.yaml")

    return edit
