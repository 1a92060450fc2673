"""The programs that the chart's tests run; one that is missing fails the test with the command that builds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import ROOT

BUILT = ROOT / ".tools" / "bin"


def program(name: str) -> Path:
    """helm, helm3, ct or promtool, as `make tools` builds it."""
    path = BUILT / name
    if not path.exists():
        pytest.fail(f"{name} is missing; this builds it: make tools", pytrace=False)
    return path
