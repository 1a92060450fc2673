"""What `make lint` runs, a commit runs too."""

from __future__ import annotations

import re
import shlex

import pytest
import yaml

from tests.support import ROOT

HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
COMMANDS = (ROOT / "Makefile").read_text().partition("\ndefine LINTERS\n")[2].partition("\nendef")[0].splitlines()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_linter_has_a_hook(command: str) -> None:
    """With the same options; which files it reads may be pre-commit's choice."""
    entries = [shlex.split(hook["entry"].removeprefix("uv run --locked ")) for hook in HOOKS]
    words = shlex.split(command)
    assert any(words[: len(entry)] == entry for entry in entries)


def test_hooks_need_nothing_but_the_lock() -> None:
    assert COMMANDS
    assert all(hook["language"] == "system" for hook in HOOKS)
    assert all(re.match(r"uv (run|lock)\b", hook["entry"]) for hook in HOOKS)
