"""A place for trials."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.workplace import Workplace


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)
