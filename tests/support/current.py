"""The file by which a release says which search is its present one, as its ConfigMap does in a pod."""

from pathlib import Path

import pytest


def applied_last(experiment: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in folder, which says that this search was applied last; processes that start from now on read it."""
    present = folder / "experiment"
    present.write_text(f"{experiment}\n")
    monkeypatch.setenv("ATELIER_CURRENT_SEARCH", str(present))
    return present
