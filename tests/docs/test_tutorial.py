"""The tutorial's lines name what an installation has; tests/e2e/test_newcomer.py runs them on a cluster."""

from __future__ import annotations

import pytest

from tests.chart.commands import helm, lacking
from tests.chart.rendering import render
from tests.support import ROOT
from tests.support.pages import fenced

PAGE = ROOT / "docs" / "tutorial.md"
LINES = fenced(PAGE, "bash")[0].splitlines()
INSTALL = helm(next(line for line in LINES if line.startswith("helm install")))


@pytest.mark.process
@pytest.mark.parametrize("line", [line.removesuffix(" &") for line in LINES if line.startswith("kubectl ")])
def test_a_kubectl_line_names_what_the_installation_has(line: str) -> None:
    (values,) = INSTALL.options["--values"]
    assert lacking(line, render(ROOT / values, set=INSTALL.options["--set"])) == []


def test_the_doctor_checks_the_profile_that_is_installed() -> None:
    doctor = next(line for line in LINES if "atelier doctor" in line)
    for setting in (*INSTALL.options["--values"], *INSTALL.options["--set"], *INSTALL.options["--namespace"]):
        assert setting in doctor.split()
