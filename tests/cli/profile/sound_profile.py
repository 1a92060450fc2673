"""A profile with nothing wrong, and what is said once there is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from atelier_cli.profile import InvalidProfile, load

from tests.support import ROOT

PROFILES = sorted((ROOT / "values").glob("*.yaml"))

SOUND = """\
experiment:
  name: sound
  maxTrialCount: 8
  maxFailedTrialCount: 2
  parameters:
    - name: lr
      parameterType: double
      feasibleSpace:
        min: 0.001
        max: 0.01
    - name: stage1_depth
      parameterType: int
      feasibleSpace: {min: 1, max: 3}
trainer:
  data:
    source: sklearn
    name: digits
"""


def written(folder: Path, text: str, name: str = "x.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def refused(path: Path, *overrides: str, laptop: bool = True) -> list[str]:
    with pytest.raises(InvalidProfile) as caught:
        load(path, overrides, laptop)
    return [violation.replace(str(path), "x.yaml") for violation in caught.value.violations]


def wrong(folder: Path, old: str, new: str) -> list[str]:
    """What is said of the sound profile with one piece replaced."""
    assert SOUND.count(old) == 1
    return refused(written(folder, SOUND.replace(old, new)))


def space_of(*parameters: dict[str, Any]) -> str:
    return f"experiment.parameters={json.dumps(parameters)}"
