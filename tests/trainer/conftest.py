"""A place for trials."""

from __future__ import annotations

import pytest

from tests.support.workplace import Workplace


@pytest.fixture
def work(tmp_path) -> Workplace:
    return Workplace(tmp_path)
