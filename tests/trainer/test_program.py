"""The trial program beside files of the user's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

SCRIPT = """
import contextlib
from atelier_trainer.__main__ import main
with contextlib.suppress(SystemExit):
    main(["--help"])
import json, mynets
print(json.__file__, mynets.__file__)
"""


def test_modules_of_a_cluster_are_found_and_hide_none_of_pythons(tmp_path: Path) -> None:
    for name in ("json.py", "token.py", "mynets.py"):
        (tmp_path / name).write_text("" if name == "mynets.py" else "raise RuntimeError(__file__)\n")
    environment = os.environ | {"ATELIER_MODULES": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = done.stdout.splitlines()[-1].split()
    assert found[0] != str(tmp_path / "json.py") and found[1] == str(tmp_path / "mynets.py")
