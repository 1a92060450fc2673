"""An empty store, in memory where that can be: writing a store waits for the disk most of its time."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from atelier_store.layout import Store

MEMORY = Path("/dev/shm")


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder that no fsync waits for; no test here turns the power off."""
    if not os.access(MEMORY, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="atelier-", dir=MEMORY) as folder:
        yield Path(folder)


@pytest.fixture
def store(memory: Path) -> Store:
    return Store(memory / "store")
