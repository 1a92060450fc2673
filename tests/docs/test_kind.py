"""The cluster on kind, which no test can start: its versions, and its message for what is missing."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT

pytestmark = pytest.mark.process

CLUSTER = ROOT / "tools" / "cluster"
SCRIPT = CLUSTER / "kind.sh"
MANIFESTS = CLUSTER / "manifests" / "kind"


def pinned(module: str) -> str:
    """The version that the other cluster builds."""
    found = re.search(rf"^\tgithub\.com/\S+/{module} (\S+)$", (CLUSTER / "go" / "go.mod").read_text(), re.MULTILINE)
    assert found
    return found[1]


def test_katib_and_the_operator_have_the_versions_of_the_other_cluster() -> None:
    urls = SCRIPT.read_text() + (MANIFESTS / "kustomization.yaml").read_text()
    assert set(re.findall(r"katib-standalone\?ref=([\w.]+)", urls)) == {pinned("katib")}
    assert set(re.findall(r"prometheus-operator/(?:releases/download/)?(v[\d.]+)/", urls)) == {
        pinned("prometheus-operator")
    }


def test_a_program_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "dirname").symlink_to("/usr/bin/dirname")
    done = subprocess.run(
        ["/bin/sh", SCRIPT, "up"], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "docker is missing: install it, then try again\n")
