"""The forms, owners and the workflow for GitHub name what is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import ROOT

FOLDER = ROOT / ".github"
FORMS = sorted(path for path in (FOLDER / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_a_form_asks_for_something_and_names_each_field_once(form: Path) -> None:
    read: dict[str, Any] = yaml.safe_load(form.read_text())
    assert read["name"] and read["description"] and read["labels"]
    asked = [part for part in read["body"] if part["type"] != "markdown"]
    assert all(part["attributes"]["label"] for part in asked)
    assert len({part["id"] for part in asked}) == len(asked)
    assert any(part.get("validations", {}).get("required") for part in asked)


@pytest.mark.parametrize("page", [*FORMS, FOLDER / "PULL_REQUEST_TEMPLATE.md"], ids=lambda page: page.stem)
def test_pages_that_github_shows_are_there(page: Path) -> None:
    named = re.findall(r"/blob/main/([\w./-]+)|`([\w/]+\.md|docs/\w+)`", page.read_text())
    assert all((ROOT / (linked or said)).exists() for linked, said in named)


def test_owned_paths_are_there() -> None:
    lines = [line.split() for line in (FOLDER / "CODEOWNERS").read_text().splitlines() if line and line[0] != "#"]
    assert all(path == "*" or (ROOT / path.removeprefix("/")).exists() for path, *_ in lines)


def test_github_runs_the_script_that_every_machine_runs() -> None:
    jobs = yaml.safe_load((FOLDER / "workflows" / "ci.yaml").read_text())["jobs"]
    runs = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert ".ci/run" in runs and all(run == ".ci/run" or run.startswith("make ") for run in runs)


def test_updates_look_where_versions_are_pinned() -> None:
    for update in yaml.safe_load((FOLDER / "dependabot.yml").read_text())["updates"]:
        file = {"uv": "uv.lock", "gomod": "go.mod", "docker": "Dockerfile", "github-actions": ".github/workflows"}
        for folder in update.get("directories", [update.get("directory")]):
            assert (ROOT / folder.removeprefix("/") / file[update["package-ecosystem"]]).exists()
