"""A small Debian as a tar file: what the images stand on."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from .commands import logged, output
from .layout import CACHE
from .steps import Step

SUITE = "bookworm"
LEFT_OUT = [
    "dev/*",
    "var/cache/apt/*",
    "var/lib/apt/lists/*",
    "var/lib/postgresql/*",
    *(f"usr/share/{it}/*" for it in ("doc", "info", "locale", "man")),
]


@dataclass(frozen=True)
class Debian:
    """A small Debian with some packages, as one tar file."""

    name: str
    packages: tuple[str, ...]

    @property
    def file(self) -> Path:
        return CACHE / f"{self.name}.tar"

    def recipe(self) -> str:
        return f"{SUITE} {' '.join(self.packages)} without {' '.join(LEFT_OUT)}"

    def made(self) -> bool:
        stamp = self.file.with_suffix(".recipe")
        return self.file.exists() and stamp.exists() and stamp.read_text() == self.recipe()

    def make(self, step: Step) -> None:
        folder = CACHE / self.name
        shutil.rmtree(folder, ignore_errors=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        step.now(f"debootstrap of {SUITE} with {', '.join(self.packages)}")
        logged(
            f"debootstrap-{self.name}",
            "debootstrap",
            "--variant=minbase",
            f"--include={','.join(self.packages)}",
            SUITE,
            folder,
        )
        step.now("packing it")
        without = [f"--exclude=./{path}" for path in LEFT_OUT]
        output(
            "tar",
            "--create",
            "--file",
            self.file,
            "--numeric-owner",
            "--sort=name",
            *without,
            "--directory",
            folder,
            ".",
            seconds=600,
        )
        shutil.rmtree(folder)
        self.file.with_suffix(".recipe").write_text(self.recipe())


PYTHON = Debian("python", ("ca-certificates", "python3", "python3-venv"))
"""What our own images can be built on as well."""
DATABASE = Debian("database", ("postgresql",))


def ensure(step: Step) -> str:
    missing = [debian for debian in (PYTHON, DATABASE) if not debian.made()]
    for debian in missing:
        debian.make(step)
    return ", ".join(
        f"{debian.name} {debian.file.stat().st_size / 1e6:.0f} MB {'made' if debian in missing else 'kept'}"
        for debian in (PYTHON, DATABASE)
    )
