"""Install the programs that a target of make needs from this machine, or name all that are missing at once.

    python3 -m tools.machine setup | test | e2e    before anything else runs
    python -m tools.machine browser                in the project's environment: a browser, if the machine has none

On Debian and Ubuntu as root, missing programs are installed as packages. Needs Python alone.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tools import images

PYTHON = (3, 11)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str | None:
    """The machine's browser. Without one, Playwright opens the one that it downloaded."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@dataclass(frozen=True)
class Requirement:
    """Something that a target runs."""

    name: str
    package: str
    """Of Debian and Ubuntu."""
    use: str
    is_there: Callable[[], object]


VENV = Requirement("venv", "python3-venv", "the part of Python that makes .venv", lambda: _python_has("ensurepip"))
GIT = Requirement("git", "git", "the commit that images and releases are labelled with", lambda: shutil.which("git"))
MOUNT = Requirement("mount", "mount", "tests of a full disk and of a read-only one", lambda: shutil.which("mount"))
ATOMIC = Requirement(
    "libatomic", "libatomic1", "the Node.js with which Playwright drives a browser", lambda: _has_atomic()
)
BROWSER = Requirement("chromium", "chromium", "tests of the server's page", chromium)
ENGINE = Requirement("docker, podman or buildah", "buildah", "builds the images", lambda: _has_engine())
NEEDED = {"setup": [VENV], "test": [VENV, GIT, MOUNT, ATOMIC, BROWSER], "e2e": [VENV, GIT, ENGINE]}


def provide(target: str) -> None:
    """Install what the target needs and is missing; exit with one message if that is not possible."""
    if sys.version_info < PYTHON:
        sys.exit(f"this is Python {platform.python_version()}; 3.11 or newer is needed: make PYTHON=python3.12 …")
    missing = [one for one in NEEDED[target] if not one.is_there()]
    if _can_install_packages():
        _install([one.package for one in missing if one is not BROWSER or _has_chromium_package()])
    # provide_browser() gets a browser that is still missing.
    still_missing = [one for one in missing if one is not BROWSER and not one.is_there()]
    if still_missing:
        sys.exit(_message(target, still_missing))


def provide_browser() -> None:
    """Download Playwright's Chromium if the machine has none; Playwright keeps it for every checkout."""
    if chromium() or not _failure_to_open():
        return
    print("installing Chromium for the tests of the page …", flush=True)
    # Only root can install the libraries that Chromium loads; Playwright knows their names on Debian and Ubuntu.
    libraries = ["--with-deps"] if _can_install_packages() else []
    output = _run([sys.executable, "-m", "playwright", "install", "--only-shell", *libraries, "chromium"])
    if failure := output or _failure_to_open():
        sys.exit(f"{failure}\n{_message('test', [BROWSER])}")


def _failure_to_open() -> str:
    """Why Playwright's own browser does not open; empty if it does. A download can be whole and lack a library."""
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        try:
            playwright.chromium.launch().close()
        except Error as error:
            return str(error)
    return ""


def _python_has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _has_atomic() -> bool:
    """Whether the library is there; only a Linux can be without it."""
    try:
        ctypes.CDLL("libatomic.so.1")
    except OSError:
        return sys.platform != "linux"
    return True


def _has_engine() -> bool:
    try:
        images.engine()
    except images.Refused:
        return False
    return True


def _can_install_packages() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _has_chromium_package() -> bool:
    """Ubuntu's package of that name only fetches a snap, which no container can run."""
    return platform.freedesktop_os_release().get("ID") == "debian"


def _install(packages: Sequence[str]) -> None:
    if not packages:
        return
    print(f"installing {', '.join(packages)} with apt-get …", flush=True)
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        if output := _run(["apt-get", "-qq", *command], DEBIAN_FRONTEND="noninteractive"):
            sys.exit(f"{output}\napt-get {' '.join(command)} failed; what it printed is above")


def _run(command: Sequence[str], **environment: str) -> str:
    """What a command printed, if it failed."""
    run = subprocess.run(
        command,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return (run.stdout or f"{command[0]} failed") if run.returncode else ""


def _message(target: str, missing: Sequence[Requirement]) -> str:
    width = max(len(one.name) for one in missing)
    return "\n".join(
        [
            f"make {target} needs what this machine does not have:",
            *(f"  {one.name:{width}}  {one.use}" for one in missing),
            "On Debian and Ubuntu, as root: apt-get install " + " ".join(one.package for one in missing),
        ]
    )


if __name__ == "__main__":
    options = argparse.ArgumentParser(description="Install what a target of make needs from this machine.")
    options.add_argument("target", choices=[*NEEDED, "browser"])
    target = options.parse_args().target
    if target == "browser":
        provide_browser()
    else:
        provide(target)
