"""Which objects a profile makes, to the name: an upgrade adds or removes nothing by accident."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.chart.rendering import PROFILES, render

GOLDEN: dict[str, list[str]] = yaml.safe_load((Path(__file__).parent / "inventory.yaml").read_text())


def inventory(profile: Path) -> list[str]:
    return sorted(f"{one['kind']}/{one['metadata']['name']}" for one in render(profile))


def test_every_profile_has_an_inventory() -> None:
    assert set(GOLDEN) == {profile.stem for profile in PROFILES}


@pytest.mark.process
@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_a_profile_makes_exactly_these_objects(profile: Path) -> None:
    """A hash that changed starts everybody's search anew at the next upgrade: only on purpose."""
    assert inventory(profile) == GOLDEN[profile.stem]
