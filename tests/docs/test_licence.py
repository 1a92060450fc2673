"""One licence, named alike wherever a tool looks for it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import yaml

from tests.support import ROOT
from tests.support.pages import first

LICENSE = ROOT / "LICENSE"
PROJECTS = [ROOT, *sorted(path.parent for path in ROOT.glob("[ip]*/*/pyproject.toml"))]
CHART = ROOT / "charts" / "katib-nas-atelier" / "Chart.yaml"


def identifier() -> str:
    return first(r"^SPDX-License-Identifier: (\S+)$", LICENSE.read_text())


@pytest.mark.parametrize("folder", PROJECTS, ids=lambda folder: folder.name)
def test_every_package_carries_the_licence(folder: Path) -> None:
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["license"] == identifier()
    for name in project["license-files"]:
        assert (folder / name).samefile(LICENSE)


def test_the_chart_names_the_licence() -> None:
    assert yaml.safe_load(CHART.read_text())["annotations"]["artifacthub.io/license"] == identifier()
