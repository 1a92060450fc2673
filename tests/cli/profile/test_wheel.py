"""An installed command reads profiles without a checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.cli.profile.sound_profile import PROFILES
from tests.support import ROOT


@pytest.mark.process
def test_the_wheel_carries_the_charts_files(uv: str, tmp_path: Path) -> None:
    """Installed without a checkout, the command still has defaults and schema."""
    built = subprocess.run(
        [uv, "build", "--wheel", "--offline", "--package", "atelier-cli", "--out-dir", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path / "site")
    for name in ("values.yaml", "values.schema.json"):
        assert (tmp_path / "site" / "atelier_cli" / "chart" / name).read_bytes() == (
            ROOT / "charts" / "katib-nas-atelier" / name
        ).read_bytes()
    code = (
        "from pathlib import Path; import atelier_cli.profile; import sys; "
        "print(atelier_cli.profile.__file__); atelier_cli.profile.load(Path(sys.argv[1]))"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    run = subprocess.run(
        [sys.executable, "-c", code, PROFILES[0]],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(str(tmp_path))
