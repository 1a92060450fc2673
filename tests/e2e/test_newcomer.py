"""The lines of docs/tutorial.md, as a newcomer types them: the quickstart, from a namespace to a prediction."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.cluster_access import MINUTES, OURS, Namespace, eventually
from tests.support import ROOT

PAGE = ROOT / "docs" / "tutorial.md"


@pytest.fixture
def atelier() -> Iterator[Namespace]:
    """The namespace that the page makes; it goes afterwards."""
    there = Namespace("atelier")
    eventually(lambda: not there.get("namespaces", there.name), 2 * MINUTES, "the page's namespace is free")
    try:
        yield there
    finally:
        there.remove()


@pytest.mark.skipif(not OURS.exists(), reason="the tutorial is about the cluster of `make cluster-up`")
def test_the_lines_of_the_tutorial_end_in_a_prediction(atelier: Namespace) -> None:
    (lines,) = re.findall(r"^```bash\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    script = f"set -eu\ntrap 'kill %1' EXIT\n{lines}"
    done = subprocess.run(
        ["bash", "-m", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=20 * MINUTES, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "missing: 0" in done.stdout
    assert '"label":"0"' in done.stdout.replace(" ", "")
