"""A release is whole or has left no trace; what speaks against one is said at once."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.support import ROOT

pytestmark = pytest.mark.process

NEXT = "7.8.9"
PRESENT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


@dataclass(frozen=True)
class Checkout:
    """A repository with one commit: the files of this checkout as they are now."""

    folder: Path
    uv: str

    def git(self, *arguments: str) -> str:
        command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *arguments]
        return subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True).stdout.strip()

    def release(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = os.environ | {"UV": self.uv, "HELM": str(ROOT / ".tools" / "bin" / "helm")} | environment
        variables |= {
            f"GIT_{who}_{what}": "t@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        command = [sys.executable, "-m", "tools.release", *arguments]
        return subprocess.run(command, cwd=self.folder, env=variables, capture_output=True, text=True, check=False)

    def state(self) -> tuple[str, str, str, str]:
        """Commit, tags, changed files and worktrees."""
        return (
            self.git("rev-parse", "HEAD"),
            self.git("tag"),
            self.git("status", "--porcelain"),
            self.git("worktree", "list"),
        )


@pytest.fixture
def checkout(tmp_path: Path, uv: str) -> Checkout:
    made = Checkout(tmp_path / "checkout", uv)
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.splitlines()
    for name in (name for name in listed if (ROOT / name).exists()):
        (made.folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, made.folder / name, follow_symlinks=False)
    made.git("init", "--quiet", "--initial-branch=main")
    made.git("add", "--all")
    made.git("commit", "--quiet", "--message", "All of it")
    return made


def components(bill: Path) -> dict[str, str]:
    return {part["name"]: part.get("version", "") for part in json.loads(bill.read_text())["components"]}


def test_a_release_has_its_version_everywhere_and_all_its_files(checkout: Checkout) -> None:
    before = (checkout.folder / "CHANGELOG.md").read_text()
    done = checkout.release(NEXT, "--no-images")
    assert done.returncode == 0, done.stdout + done.stderr
    assert checkout.git("describe", "--tags") == f"v{NEXT}"
    assert not checkout.git("status", "--porcelain")

    changelog = (checkout.folder / "CHANGELOG.md").read_text()
    unreleased = before.partition("## [Unreleased]\n")[2].partition("\n## [")[0].strip()
    assert re.search(rf"^## \[Unreleased\]\n\n## \[{NEXT}\] - \d{{4}}-\d\d-\d\d\n\n", changelog, re.MULTILINE)
    assert unreleased in changelog
    pages = [
        checkout.folder / name for name in checkout.git("ls-files", "docs", "charts", "packages", "images").split()
    ]
    outdated = rf"(katib-nas-atelier/\w+:|[vV]ersion[\"']?\s*[:=] ?[\"']?){re.escape(PRESENT)}\b"
    assert not [page for page in pages if page.suffix != ".png" and re.search(outdated, page.read_text())]
    subprocess.run([checkout.uv, "lock", "--check", "--offline"], cwd=checkout.folder, check=True, capture_output=True)

    files = checkout.folder / "dist" / NEXT
    lines = (line.split() for line in (files / "SHA256SUMS").read_text().splitlines())
    sums = {name: digest for digest, name in lines}
    assert sums == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files.iterdir()
        if path.name != "SHA256SUMS"
    }
    with tarfile.open(files / f"katib-nas-atelier-{NEXT}.tgz") as archive:
        chart_file = archive.extractfile("katib-nas-atelier/Chart.yaml")
        assert chart_file
        chart = yaml.safe_load(chart_file)
    assert (chart["version"], chart["appVersion"]) == (NEXT, NEXT)
    assert (files / "notes.md").read_text().strip() == unreleased
    for name in ("cli", "server", "store", "trainer", "trial"):
        with zipfile.ZipFile(files / f"atelier_{name}-{NEXT}-py3-none-any.whl") as wheel:
            metadata = wheel.read(f"atelier_{name}-{NEXT}.dist-info/METADATA").decode()
            assert wheel.read(f"atelier_{name}-{NEXT}.dist-info/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
        assert "License-Expression: Apache-2.0" in metadata
        listed = components(files / f"atelier-{name}-{NEXT}.cdx.json")
        assert "numpy" in listed and "pytest" not in listed
    assert "torch" not in components(files / f"atelier-server-{NEXT}.cdx.json")
    images = (files / "images.txt").read_text().split()
    assert images == [f"docker.io/katib-nas-atelier/{name}:{NEXT}" for name in ("server", "trainer")]


def test_a_release_builds_both_images_of_its_commit_and_pushes_nothing(checkout: Checkout, tmp_path: Path) -> None:
    """A stand-in that writes down its arguments is the first program that builds."""
    calls, docker = tmp_path / "calls", tmp_path / "docker"
    docker.write_text(f'#!/bin/sh\necho "$@" >>{calls}\n[ "$1" != images ] || echo "390 MB"\n')
    docker.chmod(0o755)
    done = checkout.release(NEXT, PATH=f"{tmp_path}:{os.environ['PATH']}", REGISTRY="")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = calls.read_text().splitlines()
    assert {line.split()[0] for line in lines} == {"version", "build", "images"}
    tagged = [re.findall(r"--tag (\S+) .*--build-arg REVISION=(\S+)", line) for line in lines if line[:5] == "build"]
    commit = checkout.git("rev-parse", f"v{NEXT}^{{commit}}")
    names = (checkout.folder / "dist" / NEXT / "images.txt").read_text().split()
    assert tagged == [[(name, commit)] for name in names]


def test_headings_of_the_changelog_link_to_what_changed(checkout: Checkout) -> None:
    checkout.release(NEXT, "--no-images")
    changelog = (checkout.folder / "CHANGELOG.md").read_text()
    links = dict(re.findall(r"^\[(.+)\]: (\S+)$", changelog, re.MULTILINE))
    assert list(links) == re.findall(r"^## \[(.+?)\]", changelog, re.MULTILINE)
    assert links["Unreleased"].endswith(f"/v{NEXT}...main") and links[NEXT].endswith(f"/v{NEXT}")


@pytest.mark.parametrize(("program", "arguments", "code"), [("/bin/true", ["--rehearse"], 0), ("/bin/false", [], 1)])
def test_a_rehearsal_and_a_failure_leave_the_checkout_as_it_was(
    checkout: Checkout, program: str, arguments: list[str], code: int
) -> None:
    before = checkout.state()
    done = checkout.release(NEXT, *arguments, HELM=program)
    assert done.returncode == code, done.stdout + done.stderr
    assert checkout.state() == before


def test_everything_that_speaks_against_a_release_is_said_at_once(checkout: Checkout) -> None:
    changelog = checkout.folder / "CHANGELOG.md"
    changelog.write_text(re.sub(r"(?s)(## \[Unreleased\]\n).*?(\n## \[)", r"\1\2", changelog.read_text()))
    checkout.git("tag", f"v{PRESENT}")
    before = checkout.state()
    done = checkout.release(PRESENT)
    assert done.returncode == 2
    assert done.stdout.splitlines() == [
        "no release:",
        f"  VERSION must be newer than {PRESENT}, is {PRESENT}",
        "  CHANGELOG.md has nothing under [Unreleased]",
        "  the checkout has changes that are not committed: CHANGELOG.md",
        f"  the tag v{PRESENT} exists already",
    ]
    assert checkout.state() == before
    assert not (checkout.folder / "dist").exists()


def test_a_version_is_three_numbers(checkout: Checkout) -> None:
    for version in ("", "1.2", "v1.2.3", "1.2.3-rc1", "01.2.3"):
        done = checkout.release(version)
        assert done.returncode == 2
        assert f"VERSION must be three numbers such as 1.2.3, is '{version}'" in done.stdout
