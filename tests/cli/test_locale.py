"""Texts are UTF-8 wherever they are read, also under a locale that is not, with or without a byte-order mark."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

PROFILE = """\ufeffexperiment:
  maxTrialCount: 1
  maxFailedTrialCount: 1
  parameters: [{name: stage1_width, parameterType: discrete, feasibleSpace: {list: [8]}}]
trainer:
  data:
    {source: csv, target: "gr\u00f6\u00dfe", labels: [th\u00e9, "cafe\u0301"], files: {train: {path: "m\u00e4rz.csv"}}}
"""

PREPARE = """
import sys
from pathlib import Path
from atelier_cli.profile import load
from atelier_store.layout import Store
from atelier_trial.data import prepare
spec = load(Path("p.yaml"), sys.argv[1:]).spec
print(ascii(prepare(spec.trainer.data, Store(Path("store")), Path.cwd(), None, 0)))
"""

ASCII = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = "".join(f"{number},{label}\n" for number in range(9) for label in ("caf\u00e9", "th\u00e9"))
    (tmp_path / "m\u00e4rz.csv").write_text(f"\ufeffl\u00e4nge,gr\u00f6\u00dfe\n{rows}", encoding="utf-8")
    (tmp_path / "p.yaml").write_text(PROFILE, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("overrides", [[], ["trainer.data.target=gr\u00f6\u00dfe"]])
def test_a_profile_and_a_csv_are_read_under_an_ascii_locale(folder: Path, overrides: list[str]) -> None:
    command = [os.fsencode(text) for text in (sys.executable, "-c", PREPARE, *overrides)]
    ran = subprocess.run(command, cwd=folder, env=ASCII, capture_output=True, text=True)
    assert "labels=('th\\xe9', 'caf\\xe9')" in ran.stdout, ran.stderr
    assert "feature_names=('l\\xe4nge',), target_name='gr\\xf6\\xdfe'" in ran.stdout


def test_a_message_with_a_name_that_the_locale_lacks_is_escaped(folder: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "atelier_cli",
        "search",
        "-f",
        "p.yaml",
        "--set",
        "trainer.data.target=\u00e9t\u00e9",
    ]
    ran = subprocess.run(command, cwd=folder, env=ASCII, capture_output=True, text=True)
    assert ran.returncode == 2
    assert "has no column '\\xe9t\\xe9'; allowed: l\\xe4nge, gr\\xf6\\xdfe" in ran.stderr
