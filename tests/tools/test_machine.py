"""What `make test` and `make e2e` need from a machine: installed where that is possible, else named in one message."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import pytest

from tools import machine

pytestmark = pytest.mark.process

SH = "/bin/sh"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture(params=[0, 1000], ids=["root", "user"])
def user(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(os, "geteuid", lambda: request.param)
    uid: int = request.param
    return uid


def add(programs: Path, *names: str, script: str = "") -> None:
    for name in names:
        (programs / name).write_text(f"#!{SH}\n{script}\n")
        (programs / name).chmod(0o755)


def no_library(name: str) -> None:
    raise OSError(f"{name}: cannot open shared object file")


def message(target: str) -> str:
    """What the target exits with."""
    with pytest.raises(SystemExit) as exit_:
        machine.provide(target)
    return str(exit_.value)


@pytest.mark.process
def test_a_machine_that_has_everything_is_left_alone(
    programs: Path, user: int, capsys: pytest.CaptureFixture[str]
) -> None:
    add(programs, "git", "mount", "chromium", "docker")
    add(programs, "apt-get", script="exit 1")
    machine.provide("test")
    machine.provide("e2e")
    assert capsys.readouterr().out == ""


def test_all_that_is_missing_is_named_at_once_with_the_command_that_installs_it(
    programs: Path, user: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_python_has", lambda module: False)
    monkeypatch.setattr(ctypes, "CDLL", no_library)
    assert message("test").splitlines() == [
        "make test needs what this machine does not have:",
        "  venv       the part of Python that makes .venv",
        "  git        the commit that images and releases are labelled with",
        "  mount      tests of a full disk and of a read-only one",
        "  libatomic  the Node.js with which Playwright drives a browser",
        "On Debian and Ubuntu, as root: apt-get install python3-venv git mount libatomic1",
    ]


@pytest.mark.process
def test_a_docker_without_its_daemon_does_not_build_images(programs: Path, user: int) -> None:
    add(programs, "git")
    add(programs, "docker", script="exit 1")
    assert "docker, podman or buildah  builds the images" in message("e2e")


@pytest.mark.process
@pytest.mark.parametrize(("system", "browser"), [("debian", " chromium"), ("ubuntu", "")])
def test_root_of_debian_installs_what_is_missing(
    programs: Path, system: str, browser: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ubuntu's chromium is a snap, which Playwright's download replaces."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("platform.freedesktop_os_release", lambda: {"ID": system})
    calls = tmp_path / "calls"
    add(programs, "mount")
    script = f'echo "$DEBIAN_FRONTEND $@" >> {calls}; echo "#!{SH}" > {programs}/git; /bin/chmod +x {programs}/git'
    add(programs, "apt-get", script=script)
    machine.provide("test")
    assert calls.read_text().splitlines() == [
        "noninteractive -qq update",
        f"noninteractive -qq install --yes --no-install-recommends git{browser}",
    ]


@pytest.mark.process
def test_an_installation_that_fails_shows_its_output(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    add(programs, "apt-get", script="echo no mirror answers >&2; exit 100")
    assert message("test") == "no mirror answers\n\napt-get update failed; what it printed is above"


def test_only_a_user_who_is_not_root_reads_what_to_install(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    add(programs, "apt-get", script="exit 1")
    assert message("test").endswith("apt-get install git mount")


def test_an_old_python_is_named_before_anything_else(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "PYTHON", (sys.version_info[0], sys.version_info[1] + 1))
    assert "or newer is needed: make PYTHON=" in message("test")


def test_a_browser_of_the_machine_is_taken_before_playwrights(programs: Path) -> None:
    assert machine.chromium() is None
    add(programs, "google-chrome", "chromium-browser")
    assert machine.chromium() == str(programs / "chromium-browser")
