"""A made-up store of a few searches."""

import shutil
from pathlib import Path

import pytest
from atelier_store.layout import Store

from benchmarks.made_up_store import make

THIRTY, EMPTY, ONE = "thirty-4789a5b1", "empty-4789a5b1", "one-4789a5b1"


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Searches of 30 trials, of which 2 run, of one and of none. Tests that change it copy it."""
    folder = tmp_path_factory.mktemp("board") / "store"
    for name, trials, running in (("thirty", 30, 2), ("one", 1, 0), ("empty", 0, 0)):
        make(Store(folder), trials, running, seed=trials, name=name)
    return folder


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Store:
    return Store(Path(shutil.copytree(made, tmp_path / "store")))
