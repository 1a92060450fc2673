"""Make a release: version, changelog, lock, chart, wheels, bills of materials, images, checksums, commit and tag.

    make release VERSION=0.2.0
    make release VERSION=0.2.0 REHEARSE=1     everything but the images, the commit and the tag

Everything is made in a git worktree of its own. Only when all of it is there do the branch and the tag move, so a
failure leaves the checkout as it was. Nothing is pushed. RELEASE.md has what comes before and after.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UV = os.environ.get("UV") or str(ROOT / ".tools" / "bin" / "uv")
HELM = os.environ.get("HELM") or str(ROOT / ".tools" / "bin" / "helm")
CHANGELOG = "CHANGELOG.md"


class Failure(Exception):
    """A step that failed; what its program printed is above."""


def main() -> int:
    """Exit code: 0 released or rehearsed, 1 a step failed, 2 there is a reason not to begin."""
    arguments = _parser().parse_args()
    reasons = reasons_against(arguments.version)
    if reasons:
        _say("no release:", *(f"  {reason}" for reason in reasons))
        return 2
    target = ROOT / "dist" / arguments.version
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    try:
        with worktree() as tree:
            commit = write_version(tree, arguments.version)
            make_files(tree, target, arguments.version)
            if not (arguments.rehearse or arguments.no_images):
                run(tree, sys.executable, "-m", "tools.images", "build")
        write_checksums(target)
        if arguments.rehearse:
            _say(f"rehearsed: {target.relative_to(ROOT)} is what a release would hold; nothing else changed")
            return 0
        run(ROOT, "git", "merge", "--quiet", "--ff-only", commit)
        run(ROOT, "git", "tag", "--annotate", "--message", f"Release {arguments.version}", f"v{arguments.version}")
    except Failure as failure:
        _say(f"no release: {failure}")
        return 1
    _say(f"released {arguments.version}: {target.relative_to(ROOT)}, a commit and the tag v{arguments.version}")
    _say("nothing is pushed yet; RELEASE.md says what comes next")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make release", description="Make a release; nothing is pushed.")
    parser.add_argument("version", help="x.y.z, newer than the present one")
    parser.add_argument("--rehearse", action="store_true", help="build dist/VERSION only: no image, commit or tag")
    parser.add_argument("--no-images", action="store_true", help="build no image")
    return parser


def reasons_against(version: str) -> list[str]:
    """Everything that speaks against this release."""
    present = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    found = []
    if not re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", version):
        found.append(f"VERSION must be three numbers such as 1.2.3, is {version!r}")
    elif _numbers(version) <= _numbers(present):
        found.append(f"VERSION must be newer than {present}, is {version}")
    if not unreleased((ROOT / CHANGELOG).read_text()):
        found.append(f"{CHANGELOG} has nothing under [Unreleased]")
    if dirty := output("git", "status", "--porcelain"):
        names = ", ".join(line[3:] for line in dirty.splitlines())
        found.append(f"the checkout has changes that are not committed: {names}")
    if output("git", "tag", "--list", f"v{version}"):
        found.append(f"the tag v{version} exists already")
    found += [f"{program} is missing: make tools" for program in (UV, HELM) if not shutil.which(program)]
    return found


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


def unreleased(changelog: str) -> str:
    """What the changelog has under [Unreleased], without headings."""
    section = changelog.partition("## [Unreleased]")[2].partition("\n## [")[0]
    return re.sub(r"^#.*$", "", section, flags=re.MULTILINE).strip()


@contextmanager
def worktree() -> Iterator[Path]:
    """A second checkout of the present commit; it goes afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "release"
        run(ROOT, "git", "worktree", "add", "--quiet", "--detach", str(tree))
        try:
            yield tree
        finally:
            run(ROOT, "git", "worktree", "remove", "--force", str(tree))


def write_version(tree: Path, version: str) -> str:
    """The commit that has the version in every file, its section in the changelog, and a lock that fits."""
    run(tree, sys.executable, "-m", "bumpversion", "bump", "--new-version", version)
    run(tree, UV, "lock", "--quiet")
    run(tree, "git", "commit", "--quiet", "--all", "--message", f"Release {version}")
    return output("git", "rev-parse", "HEAD", folder=tree)


def make_files(tree: Path, target: Path, version: str) -> None:
    """The chart, a wheel and a bill of materials for each package, the notes and the names of the images."""
    run(tree, HELM, "package", "charts/katib-nas-atelier", "--destination", str(target))
    run(tree, UV, "build", "--quiet", "--all-packages", "--wheel", "--no-create-gitignore", "--out-dir", str(target))
    for project in sorted(tree.glob("[ip]*/*/pyproject.toml")):
        name = tomllib.loads(project.read_text())["project"]["name"]
        bill = str(target / f"{name}-{version}.cdx.json")
        run(tree, UV, "export", "--quiet", "--locked", "--no-dev", "--format", "cyclonedx1.5", "--package", name,
            "--output-file", bill)  # fmt: skip
    notes = (tree / CHANGELOG).read_text().partition(f"## [{version}]")[2].partition("\n")[2]
    (target / "notes.md").write_text(re.split(r"\n(?:## )?\[", notes)[0].strip() + "\n")
    images = output(sys.executable, "-m", "tools.images", "names", folder=tree).split()
    (target / "images.txt").write_text("".join(f"{image}\n" for image in images))


def write_checksums(target: Path) -> None:
    """SHA256SUMS, as sha256sum --check reads it."""
    files = sorted(path for path in target.iterdir())
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (target / "SHA256SUMS").write_text("".join(lines))


def run(folder: Path, *command: str) -> None:
    """Run a step. Raises Failure."""
    if subprocess.run(command, cwd=folder, check=False, stdout=subprocess.DEVNULL).returncode:
        raise Failure(f"{Path(command[0]).name} {' '.join(command[1:3])} failed; what it printed is above")


def output(*command: str, folder: Path = ROOT) -> str:
    """What a program prints. Raises Failure."""
    done = subprocess.run(command, cwd=folder, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise Failure(f"{' '.join(command)} failed; what it printed is above")
    return done.stdout.rstrip()


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
