"""Refuse an image that would fail in a pod; the last step of each build runs this, as the user that pods run as.

python check.py [--lacks MODULE]… [--at-most MB] MODULE…
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

MB = 10**6
COMPILED = ("*.cpython-*.so", "*.abi3.so")
NEEDED = {
    "sh": "Katib wraps a trial's command in it",
    "sleep": "the server's preStop hook and the inspector run it",
    "tar": "kubectl cp runs it",
}


def not_importable(modules: list[str]) -> Iterator[str]:
    """Modules that do not import, and why."""
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception as error:
            yield f"{name} does not import: {type(error).__name__}: {error}"


def not_loadable(site: Path) -> Iterator[str]:
    """Compiled modules whose file does not load, most often for a library that the system lacks."""
    for path in sorted(one for pattern in COMPILED for one in site.rglob(pattern)):
        try:
            ctypes.CDLL(str(path))
        except OSError as error:
            yield f"{path} does not load: {error}"


def not_allowed(modules: list[str]) -> Iterator[str]:
    """Modules that have no business in this image."""
    return (f"{name} is installed; this image does without it" for name in modules if importlib.util.find_spec(name))


def not_there() -> Iterator[str]:
    """Programs that a pod runs."""
    return (f"{name} is missing: {reason}" for name, reason in NEEDED.items() if not shutil.which(name))


def not_readable(site: Path) -> Iterator[str]:
    """Files that a user of any number, as OpenShift assigns them, could not read."""
    return (
        f"{path} is not readable by everybody"
        for path in site.rglob("*")
        if not path.is_symlink() and not path.stat().st_mode & 4
    )


def too_large(most: float, image: Path, site: Path) -> Iterator[str]:
    """What is large, if the image's files have more than so many MB."""
    sizes = Counter[str]()
    for place, size in _files(image, site):
        sizes[place] += size
    total = sum(sizes.values()) / MB
    sys.stdout.write(f"the image's files: {total:.0f} MB\n")
    if total > most:
        largest = ", ".join(f"{place} {size / MB:.0f}" for place, size in sizes.most_common(12))
        yield f"{total:.0f} MB of files; at most {most:.0f} are allowed. The largest: {largest}"


def _files(image: Path, site: Path) -> Iterator[tuple[str, int]]:
    """Every file of the image, without other file systems: the package or folder that it belongs to, and its size."""
    device = image.lstat().st_dev
    for name, inner, files in os.walk(image):
        folder = Path(name)
        inner[:] = [one for one in inner if (folder / one).lstat().st_dev == device]
        above, depth = (site, 1) if folder.is_relative_to(site) else (image, 2)
        place = above.joinpath(*folder.relative_to(above).parts[:depth])
        yield from ((str(place), (folder / one).lstat().st_size) for one in files)


def main() -> int:
    """Say everything that is wrong."""
    options = argparse.ArgumentParser()
    options.add_argument("modules", nargs="+")
    options.add_argument("--lacks", action="append", default=[])
    options.add_argument("--at-most", type=float, default=float("inf"))
    given = options.parse_args()
    site = next(Path(sys.prefix).glob("lib/python3.*/site-packages"))
    wrong = [
        *not_importable(given.modules),
        *not_loadable(site),
        *not_allowed(given.lacks),
        *not_there(),
        *not_readable(site),
        *too_large(given.at_most, Path("/"), site),
    ]
    sys.stderr.writelines(f"{one}\n" for one in wrong)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
