"""Where CONTRIBUTING.md says that something is, it is: by the names of the folders, to the file, to the name in it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.pages import table

PAGE = ROOT / "CONTRIBUTING.md"
WALK = table(PAGE, "question", "folders", "file", "name")
STEPS = re.findall(r"\]\(([\w./-]+\.py)\)\s`(\w+)`", PAGE.read_text())


def defines(path: Path, name: str) -> bool:
    """Whether a Python file defines the name, or another file has it as a word."""
    text = path.read_text()
    if path.suffix != ".py":
        return re.search(rf"\b{name}\b", text) is not None
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return any(isinstance(node, kinds) and node.name == name for node in ast.walk(ast.parse(text)))


@pytest.mark.parametrize(("question", "folders", "file", "name"), WALK, ids=[row[0] for row in WALK])
def test_the_folders_lead_to_the_file(question: str, folders: str, file: str, name: str) -> None:
    """Folders of Python's packaging (src, the package) are passed through; the others are those that the walk names."""
    passed = [part for part in Path(file).parent.parts if part != "src" and not part.startswith("atelier_")]
    assert passed == folders.split(", ")
    assert (ROOT / file).is_file()
    assert not name or defines(ROOT / file, name)


@pytest.mark.parametrize(("file", "name"), STEPS, ids=[f"{Path(file).stem}.{name}" for file, name in STEPS])
def test_each_step_of_a_request_and_of_a_trial_is_there(file: str, name: str) -> None:
    assert defines(ROOT / file, name)


def test_the_walk_has_what_a_stranger_looks_for() -> None:
    asked = " ".join(question for question, *_ in WALK)
    assert all(word in asked for word in ("CSV", "version verified", "rung decided", "alert defined"))
    assert len(STEPS) > 12
