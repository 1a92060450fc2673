"""The first set-up prints a few lines: what is downloaded, not every package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT
from tools import install_packages

pytestmark = pytest.mark.process

OUTPUT = """\
Resolved 4 packages in 815ms
Downloading torch (1.5GiB)
Downloading numpy (16.0MiB)
 Downloaded numpy
 Downloaded torch
Prepared 3 packages in 3.47s
Installed 3 packages in 178ms
 + numpy==2.2.6
"""


def install(tmp_path: Path, *, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run it with a uv that prints what uv prints."""
    uv = tmp_path / "uv"
    uv.write_text(f"#!/bin/sh\ncat <<END\n$@\n{OUTPUT}END\nexit {status}\n")
    uv.chmod(0o755)
    tool = ROOT / "tools" / "install_packages.py"
    return subprocess.run([sys.executable, tool, uv, "python3.12"], capture_output=True, text=True)


@pytest.mark.process
def test_an_installation_prints_no_list_of_packages(tmp_path: Path) -> None:
    done = install(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "numpy==" not in done.stdout and len(done.stdout.splitlines()) <= 1


@pytest.mark.process
def test_a_failed_installation_shows_all_that_uv_printed(tmp_path: Path) -> None:
    done = install(tmp_path, status=2)
    assert done.returncode == 2
    assert done.stderr == f"sync --locked --python python3.12\n{OUTPUT}"


def test_a_terminal_shows_how_much_is_downloaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    progress = install_packages.Progress()
    for line in OUTPUT.splitlines():
        progress.read(line.strip())
    shown = [part.removeprefix("\033[K") for part in capsys.readouterr().out.split("\r")[1:]]
    assert shown == [
        "  0 MiB downloaded, torch under way",
        "  0 MiB downloaded, torch, numpy under way",
        "  16 MiB downloaded, torch under way",
        "  1,552 MiB downloaded",
    ]


def test_a_log_gets_a_line_from_time_to_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(install_packages, "SECONDS_BETWEEN_LINES", 0)
    install_packages.Progress().read("Downloading torch (1.5GiB)")
    assert capsys.readouterr().out == "  0 MiB downloaded, torch under way\n"
