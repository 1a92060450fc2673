"""Changes of the quick start's profile, and what both engines say of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from atelier_cli.profile import InvalidProfile, load
from atelier_cli.profile.merging import with_value

from tests.support import ROOT

QUICKSTART = ROOT / "values" / "quickstart.yaml"
LR = {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": 0.001, "max": 0.1}}
DEPTH = {"name": "stage1_depth", "parameterType": "int", "feasibleSpace": {"min": 1, "max": 2}}
WIDTH = {"name": "stage1_width", "parameterType": "discrete", "feasibleSpace": {"list": [16, 32]}}


def values(*changes: tuple[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for where, value in changes:
        made = with_value(made, tuple(where.split(".")), value)
    return made


def parameter(name: str, kind: str, **space: Any) -> tuple[str, Any]:
    return "experiment.parameters", [{"name": name, "parameterType": kind, "feasibleSpace": space}]


def algorithm(name: str, *parameters: Any, **settings: Any) -> list[tuple[str, Any]]:
    asked = [{"name": key, "value": value} for key, value in settings.items()]
    chosen = ("experiment.algorithm", {"algorithmName": name, "algorithmSettings": asked})
    return [chosen, ("experiment.parameters", list(parameters))] if parameters else [chosen]


def said(error: str) -> list[str]:
    """The violations of a message, without Helm's frame."""
    return [line.removeprefix("  - ") for line in error.splitlines() if line.startswith("  - ")]


def names(error: str, place: str) -> bool:
    """Whether Helm's message names a place: a value by its pointer, an unknown or missing key by its mapping's."""
    pointer = "/" + re.sub(r"\[(\d+)\]", r".\1", place).replace(".", "/")
    mapping, _, key = pointer.rpartition("/")
    lines = error.splitlines()
    return any(f"at '{pointer}': " in line or (f"at '{mapping}': " in line and f"'{key}'" in line) for line in lines)


def one_machine(changes: list[tuple[str, Any]], folder: Path) -> list[str]:
    """What the command says of the quickstart profile with these changes."""
    profile = yaml.safe_load(QUICKSTART.read_text())
    for where, value in changes:
        old = profile
        for step in where.split("."):
            old = old.get(step, {}) if isinstance(old, dict) else {}
        merged = old | value if isinstance(old, dict) and isinstance(value, dict) else value
        profile = with_value(profile, tuple(where.split(".")), merged)
    file = folder / "quickstart.yaml"
    file.write_text(json.dumps(profile, indent=1))  # PyYAML would write the text 2e9 as the number that it is to Helm
    with pytest.raises(InvalidProfile) as caught:
        load(file, laptop=False)
    return caught.value.violations
