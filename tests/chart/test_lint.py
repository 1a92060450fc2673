"""The chart and its profiles pass the linters of the field."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chart.programs import BUILT, program
from tests.chart.rendering import CHART, KUBERNETES, OFFLINE, PROFILES
from tests.support import ROOT

pytestmark = pytest.mark.process

LINTERS = OFFLINE | {
    "PATH": f"{BUILT}:{Path(sys.executable).parent}:{os.environ['PATH']}"
}  # ct starts helm, yamllint and yamale


def lint(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, env=LINTERS, capture_output=True, text=True, check=False, timeout=60)


def test_chart_testing_accepts_the_chart() -> None:
    program("helm")
    run = lint(program("ct"), "lint", "--all", "--config=ct.yaml")
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"✔︎ {CHART.name} " in run.stdout


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("values.yaml", "\nkey:   value\n", "too many spaces after colon"),
        ("Chart.yaml", "\nunknown: key\n", "unknown: Unexpected element"),
        ("templates/server/service.yaml", "\n{{ .Values.no.such }}\n", "nil pointer"),
    ],
)
def test_chart_testing_refuses_what_breaks_a_rule(tmp_path: Path, file: str, text: str, said: str) -> None:
    others = [f"{path.stem}-values.yaml" for path in PROFILES if path.stem != "quickstart"]
    chart = shutil.copytree(CHART, tmp_path / CHART.name, ignore=shutil.ignore_patterns(*others))
    with (chart / file).open("a") as broken:
        broken.write(text)
    run = lint(program("ct"), "lint", f"--charts={chart}", "--config=ct.yaml")
    assert run.returncode != 0
    assert said in run.stdout + run.stderr


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_helm_3_has_nothing_against_a_profile(profile: Path) -> None:
    """ct lints each with Helm 4."""
    run = lint(program("helm3"), "lint", "--strict", f"--kube-version={KUBERNETES}", f"--values={profile}", CHART)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1 chart(s) linted, 0 chart(s) failed" in run.stdout + run.stderr
