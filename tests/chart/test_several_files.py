"""Several files are laid over each other as Helm does it, so that both engines and the doctor mean the same profile."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml
from atelier_cli.profile.merging import overlay

from tests.chart.rendering import HELMS, render
from tests.support import ROOT

pytestmark = pytest.mark.process
LATER: list[dict[str, Any]] = [
    {
        "monitoring": {"dashboard": {"enabled": True, "labels": {"grafana_dashboard": "yes", "team": "a"}}},
        "server": {"pod": {"nodeSelector": {"disk": "ssd"}, "env": [{"name": "A", "value": "1"}]}},
        "trainer": {"maxEpochs": 9},
    },
    {
        "monitoring": {"dashboard": {"labels": {"grafana_dashboard": None, "room": "b"}}},
        "server": {"pod": {"nodeSelector": {"zone": "x"}, "env": [{"name": "B", "value": "2"}]}},
        "trainer": None,
    },
    {"trainer": {"data": {"source": "sklearn", "name": "digits"}, "maxEpochs": 5}},
]


@pytest.mark.parametrize("helm", HELMS)
def test_helm_renders_the_same_from_files_as_from_what_they_are_laid_over_each_other(tmp_path: Path, helm: str) -> None:
    first = yaml.safe_load((ROOT / "values" / "quickstart.yaml").read_text())
    files = [tmp_path / f"{number}.yaml" for number in range(4)]
    for file, values in zip(files, [first, *LATER], strict=True):
        file.write_text(yaml.safe_dump(values))
    assert render(files, helm=helm) == render(values=reduce(overlay, LATER, first), helm=helm)
