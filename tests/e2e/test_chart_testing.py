"""ct install: every profile that this cluster lacks nothing for is installed, tested and uninstalled."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.e2e.cluster_access import BUILT, CHART, Namespace, doctor, run
from tests.e2e.cluster_access import kubectl_program as kubectl
from tests.support import ROOT


def test_every_profile_that_the_cluster_can_hold_is_installed_and_tested(namespace: Namespace, tmp_path: Path) -> None:
    chart = tmp_path / "charts" / CHART.name
    shutil.copytree(CHART, chart)
    for path in chart.glob("ci/*"):
        if "missing: 0" not in doctor(namespace, "-f", ROOT / "values" / path.name.replace("-values", "")):
            path.unlink()
    names = sorted(path.name for path in chart.glob("ci/*"))
    assert "quickstart-values.yaml" in names
    os.environ["PATH"] = os.pathsep.join([str(BUILT), str(Path(kubectl()).parent), os.environ["PATH"]])
    arguments: list[str | Path] = [
        "--config",
        ROOT / "ct.yaml",
        "--charts",
        chart,
        "--namespace",
        namespace.name,
        "--helm-extra-args",
        "--timeout 5m",
    ]
    said = run(BUILT / "ct", "install", *arguments)
    assert all(name in said for name in names)
    assert "All charts installed successfully" in said
