"""Whatever a client derives from the OpenAPI document, valid or not: the response is as described, and never 5xx."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.server_process import Server
from tests.support.sizes import sizes

pytestmark = pytest.mark.process

EXAMPLES = sizes(5, 300)
"""Requests drawn for every operation, beside those that schemathesis derives from the description one by one."""

SERVERS = {"images": "digits", "rows": "house"}

CONFIG = """
hooks = "{hooks}"
[generation]
deterministic = true
[checks]
positive_data_acceptance.enabled = false  # rows are drawn in shapes that fit no model, too
"""

KNOWN = """
[parameters]
"path.name" = "{name}"
"path.version" = "{version}"
"""
"""With names that are there, more is reached than with any name."""


@pytest.mark.parametrize("examples", EXAMPLES)
@pytest.mark.parametrize("config", [CONFIG, CONFIG + KNOWN], ids=["any-name", "known-names"])
@pytest.mark.parametrize("fixture", SERVERS)
def test_every_answer_is_what_the_description_says(
    fixture: str, config: str, examples: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    server: Server = request.getfixturevalue(fixture)
    hooks = ROOT / "tests" / "support" / "schema_checks.py"
    (tmp_path / "schemathesis.toml").write_text(
        config.format(hooks=hooks, name=SERVERS[fixture], version=server.version())
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
