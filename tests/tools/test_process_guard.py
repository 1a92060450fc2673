"""`make check` stays short: a test that starts a process without saying so fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

pytestmark = pytest.mark.process

TESTS = """
import os, subprocess, sys, pytest

@pytest.fixture(scope="module")
def started():
    return subprocess.run([sys.executable, "-c", ""], check=True)

def test_starts(): subprocess.run([sys.executable, "-c", ""], check=True)

def test_forks():
    if os.fork() == 0:
        os._exit(0)

def test_uses_what_starts(started): pass

def test_starts_none(): pass

@pytest.mark.process
def test_says_so(): subprocess.run([sys.executable, "-c", ""], check=True)
"""


def test_only_tests_that_say_so_start_a_process(tmp_path: Path) -> None:
    (tmp_path / "test_them.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = process\n")
    plugin = ["-p", "tests.support.process_guard"]
    options = [f"--rootdir={tmp_path}", "-c", str(tmp_path / "pytest.ini"), "-rA"]
    command = [sys.executable, "-m", "pytest", *plugin, *options, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    outcomes = {
        line.split("::")[1].split()[0]: line.split()[0] for line in done.stdout.splitlines() if "::test" in line
    }
    assert outcomes == {
        "test_starts": "FAILED",
        "test_forks": "FAILED",
        "test_uses_what_starts": "ERROR",
        "test_starts_none": "PASSED",
        "test_says_so": "PASSED",
    }
    assert "test_starts starts a process (subprocess.Popen" in done.stdout
