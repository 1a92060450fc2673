"""docker, podman and buildah: which of them works here, and how each builds, shows and saves an image. Python alone."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

UNRESPONSIVE = 30
"""Seconds after which an engine counts as one that does not work."""


@dataclass(frozen=True)
class Engine:
    """A program that has images, and the words that it wants."""

    program: str
    probe: str
    """The command that succeeds only if the engine works: docker may be installed without its daemon."""
    build: tuple[str, ...]
    inspect: tuple[str, ...]
    id: str
    labels: str

    def works(self) -> bool:
        if not shutil.which(self.program):
            return False
        try:
            probe = subprocess.run([self.program, self.probe], capture_output=True, timeout=UNRESPONSIVE, check=False)
        except subprocess.TimeoutExpired:
            return False
        return probe.returncode == 0

    def run(self, *arguments: str) -> str:
        """Run one of its commands and return what it prints."""
        return subprocess.run([self.program, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout

    def save(self, image: str, archive: Path) -> list[str]:
        """The command that writes an image as the archive that every container runtime reads."""
        if self.program == "buildah":
            return ["buildah", "push", "--quiet", image, f"docker-archive:{archive}:{image}"]
        return [self.program, "save", "--output", str(archive), image]

    def load(self, archive: Path) -> None:
        if self.program == "buildah":
            self.run("pull", "--quiet", f"docker-archive:{archive}")
        else:
            self.run("load", "--input", str(archive))

    def prune(self) -> None:
        """Remove what builds left: layers without a name."""
        if self.program == "buildah":
            self.run("rmi", "--prune", "--force")
        else:
            self.run("image", "prune", "--force")

    def identity(self, image: str) -> str | None:
        """The image's id; None if the engine does not have it."""
        identity = self._field(image, self.id)
        return identity and identity.removeprefix("sha256:")

    def label(self, image: str, label: str) -> str | None:
        return self._field(image, f'index {self.labels} "{label}"')

    def _field(self, image: str, template: str) -> str | None:
        command = [self.program, *self.inspect, "--format", "{{" + template + "}}", image]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=UNRESPONSIVE, check=False)
        return shown.stdout.strip() if shown.returncode == 0 else None


ENGINES = (
    Engine("docker", "version", ("build",), ("image", "inspect"), ".Id", ".Config.Labels"),
    Engine("podman", "info", ("build", "--layers"), ("image", "inspect"), ".Id", ".Config.Labels"),
    Engine(
        "buildah",
        "info",
        # Isolation by chroot needs no other program and no rights that a container lacks.
        ("build", "--layers", "--force-rm", "--isolation", "chroot"),
        ("inspect", "--type", "image"),
        ".FromImageID",
        ".OCIv1.Config.Labels",
    ),
)
NAMES = ", ".join(engine.program for engine in ENGINES)


def working() -> list[Engine]:
    """Those that work here, in the order of preference."""
    return [engine for engine in ENGINES if engine.works()]
