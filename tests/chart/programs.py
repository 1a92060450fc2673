"""The programs that the chart's tests run; one that is missing fails the test with what brings it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support import ROOT

BUILT = ROOT / ".tools" / "bin"
INSTALLED = {"promtool": "apt-get install prometheus (on Debian and Ubuntu)"}


def program(name: str) -> Path:
    """helm, helm3 and ct as `make tools` builds them; others from PATH."""
    if name in INSTALLED:
        found = shutil.which(name)
        path, remedy = Path(found) if found else None, INSTALLED[name]
    else:
        path, remedy = BUILT / name, "make tools"
    if path is None or not path.exists():
        pytest.fail(f"{name} is missing; what brings it: {remedy}", pytrace=False)
    return path
