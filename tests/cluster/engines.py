"""docker, podman and buildah: images that they have go into the cluster, and the base image goes to them."""

from __future__ import annotations

from dataclasses import dataclass

from .commands import output
from .containerd import LABEL, has_image, import_images
from .debian import PYTHON
from .images import BASE, write_archive
from .layout import CACHE
from .steps import Failure, Step


@dataclass(frozen=True)
class Engine:
    """A program that has images: how it answers if it works, and where it tells an image's id and labels."""

    program: str
    answers: str
    inspect: tuple[str, ...]
    id: str
    labels: str

    def works(self) -> bool:
        """Docker may be there without its daemon."""
        try:
            output(self.program, self.answers, seconds=30)
        except Failure:
            return False
        return True

    def identity(self, image: str) -> str | None:
        answer = self._tell(image, self.id)
        return answer and answer.removeprefix("sha256:")

    def content(self, image: str) -> str | None:
        """What an image of the cluster's says that it was made of."""
        return self._tell(image, f'index {self.labels} "{LABEL}"')

    def _tell(self, image: str, what: str) -> str | None:
        try:
            return output(self.program, *self.inspect, "--format", "{{" + what + "}}", image, seconds=30).strip()
        except Failure:
            return None


ENGINES = (
    Engine("docker", "version", ("image", "inspect"), ".Id", ".Config.Labels"),
    Engine("podman", "info", ("image", "inspect"), ".Id", ".Config.Labels"),
    Engine("buildah", "info", ("inspect", "--type", "image"), ".FromImageID", ".OCIv1.Config.Labels"),
)


def load(names: list[str], step: Step) -> str:
    """Images that docker, podman or buildah has, into the cluster, unless it has them already."""
    outcomes = []
    for name in names:
        engine, identity = _find(name)
        if has_image(full_name(name), identity):
            outcomes.append(f"{name} kept")
            continue
        archive = CACHE / "load.tar"
        archive.unlink(missing_ok=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        try:
            step.now(f"{name} out of {engine}")
            if engine == "docker":
                output("docker", "save", "--output", archive, name, seconds=1800)
            else:
                output(engine, "push", "--quiet", name, f"docker-archive:{archive}:{full_name(name)}", seconds=1800)
            step.now(f"{name} into containerd")
            import_images(archive, {full_name(name): identity})
        finally:
            archive.unlink(missing_ok=True)
        outcomes.append(f"{name} loaded from {engine}")
    return ", ".join(outcomes)


def offer_base(step: Step) -> str:
    """The base as an image for builds where no registry can be reached: make images BASE=localhost/base:1.

    One that is there stays, whichever checkout made it: another one, of the same packages, would make every build upon it begin anew.
    """
    engine = next((one for one in ENGINES if one.works()), None)
    if engine is None:
        raise Failure(f"none of {', '.join(one.program for one in ENGINES)} works here, to take the base image")
    if engine.content(BASE.name) == BASE.content():
        return f"{BASE.name} kept in {engine.program}"
    if not PYTHON.made():
        PYTHON.make(step)
    archive = CACHE / "base-image.tar"
    step.now(f"into {engine.program}")
    try:
        write_archive(archive, [BASE])
        if engine.program == "buildah":
            output("buildah", "pull", "--quiet", f"docker-archive:{archive}", seconds=600)
        else:
            output(engine.program, "load", "--input", archive, seconds=600)
    finally:
        archive.unlink(missing_ok=True)
    return f"{BASE.name} in {engine.program}"


def _find(name: str) -> tuple[str, str]:
    """The engine that has an image, and the id."""
    working = [engine for engine in ENGINES if engine.works()]
    for engine in working:
        if identity := engine.identity(name):
            return engine.program, identity
    asked = " or ".join(engine.program for engine in working)
    raise Failure(
        f"{asked} has no image {name}" if asked else f"none of {', '.join(one.program for one in ENGINES)} works here"
    )


def full_name(name: str) -> str:
    """As containerd and Kubernetes write it: with registry and tag."""
    tagged = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
    first, slash, _ = tagged.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return tagged
    return f"docker.io/{tagged}" if slash else f"docker.io/library/{tagged}"
