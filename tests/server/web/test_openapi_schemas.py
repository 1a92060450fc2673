"""Whatever a client derives from the OpenAPI document, valid or not: the response is as described, and never 5xx."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.server_process import Server

pytestmark = pytest.mark.process

MODELS = {"images": "digits", "rows": "house"}

CONFIG = """
hooks = "{hooks}"
[generation]
deterministic = true
[checks]
positive_data_acceptance.enabled = false  # rows are drawn in shapes that fit no model, too
"""

NAMES = """
[parameters]
"path.name" = "{name}"
"path.version" = "{version}"
"""
"""With names that are there, more is reached than with any name."""


ANY, KNOWN = CONFIG, CONFIG + NAMES
SHORT = [("rows", ANY), ("rows", KNOWN), ("images", KNOWN)]
"""No name that is not there reaches a model, of whatever kind."""

CASES = [
    *[pytest.param(*case, 5, id=f"{case[0]}-{'any' if case[1] == ANY else 'known'}-short") for case in SHORT],
    *[
        pytest.param(fixture, config, 300, id=f"{fixture}-{name}-full", marks=pytest.mark.soak)
        for fixture in MODELS
        for name, config in (("any", ANY), ("known", KNOWN))
    ],
]
"""A server, names to ask for, and how many requests are drawn for every operation, beside those that schemathesis
derives from the description one by one."""


@pytest.mark.parametrize(("fixture", "config", "examples"), CASES)
def test_every_answer_is_what_the_description_says(
    fixture: str, config: str, examples: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    server: Server = request.getfixturevalue(fixture)
    hooks = ROOT / "tests" / "support" / "schema_checks.py"
    (tmp_path / "schemathesis.toml").write_text(
        config.format(hooks=hooks, name=MODELS[fixture], version=server.version())
    )
    command = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "--config-file",
        "schemathesis.toml",
        "run",
        f"{server.url}/openapi.json",
        "--url",
        server.url,
    ]
    done = subprocess.run(
        [*command, "--max-examples", str(examples), "--continue-on-failure", "--no-color"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
