"""One small search, run once for all of the session's processes; a test that changes its store takes a copy."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

import pytest

from tests.support.searches import PROFILE, Edit, Finished, Searches


@pytest.fixture(scope="session")
def searches(tmp_path_factory: pytest.TempPathFactory) -> Searches:
    profile = tmp_path_factory.mktemp("profile") / "tiny.yaml"
    profile.write_text(PROFILE)
    return Searches(profile)


@pytest.fixture(scope="session")
def finished(searches: Searches, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The store of a finished search, which nobody changes, and what the search printed."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # shared by the workers
    store, printed = folder / "finished" / "store", folder / "finished" / "printed.txt"
    store.parent.mkdir(exist_ok=True)
    with (folder / "finished" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not printed.exists():
            completed = searches.run_process(store)
            assert completed.returncode == 0, completed.stderr
            printed.write_text(completed.stdout)
    return store, printed.read_text()


@pytest.fixture
def copied(finished: Finished, tmp_path: Path) -> Path:
    """A copy of the finished store."""
    shutil.copytree(finished[0], tmp_path / "store", symlinks=True)
    return tmp_path / "store"


@pytest.fixture
def edited(searches: Searches, tmp_path: Path) -> Edit:
    """The same profile with a part replaced."""

    def edit(old: str, new: str) -> Searches:
        assert old in PROFILE
        (tmp_path / "tiny.yaml").write_text(PROFILE.replace(old, new))
        return Searches(tmp_path / "tiny.yaml")

    return edit
