"""Images from docker, podman or buildah into the cluster, and the base image from here to them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tools.engines import NAMES, Engine, working

from .commands import piped
from .containerd import LABEL, has_image, import_images
from .debian import PYTHON
from .images import BASE, write_archive
from .layout import CACHE
from .steps import Failure, Step


def load(images: list[str], step: Step) -> str:
    """Images that docker, podman or buildah has, into the cluster, unless it has them already."""
    outcomes = []
    for image in images:
        engine, identity = _find(image)
        name = full_name(image)
        if has_image(name, identity):
            outcomes.append(f"{image} kept")
            continue
        step.now(f"{image} from {engine.program} into containerd")
        source = engine.save(name if engine.program == "buildah" else image, Path("/dev/stdout"))
        with piped(*source) as archive:
            import_images(archive, {name: identity})
        outcomes.append(f"{image} loaded from {engine.program}")
    return ", ".join(outcomes)


def offer_base(step: Step) -> str:
    """The base as an image for builds where no registry can be reached: make images BASE=localhost/base:1.

    One that is there stays, whichever checkout made it: the same packages installed again are another image, and every
    build upon it would begin anew.
    """
    engine = next(iter(working()), None)
    if engine is None:
        raise Failure(f"none of {NAMES} works here, to take the base image")
    if engine.label(BASE.name, LABEL) == BASE.content():
        return f"{BASE.name} kept in {engine.program}"
    if not PYTHON.made():
        PYTHON.make(step)
    archive = CACHE / "base-image.tar"
    step.now(f"into {engine.program}")
    try:
        write_archive(archive, [BASE])
        engine.load(archive)
    except subprocess.CalledProcessError as error:
        raise Failure(f"{engine.program} cannot load the base image; its message is above") from error
    finally:
        archive.unlink(missing_ok=True)
    return f"{BASE.name} in {engine.program}"


def _find(image: str) -> tuple[Engine, str]:
    """The engine that has an image, and the image's id."""
    engines = working()
    for engine in engines:
        if identity := engine.identity(image):
            return engine, identity
    programs = " or ".join(engine.program for engine in engines)
    raise Failure(f"{programs} has no image {image}" if programs else f"none of {NAMES} works here")


def any_missing(images: list[str]) -> bool:
    """Whether an image is yet to be built."""
    return not all(any(engine.identity(image) for engine in working()) for image in images)


def full_name(name: str) -> str:
    """As containerd and Kubernetes write it: with registry and tag."""
    tagged = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
    first, slash, _ = tagged.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return tagged
    return f"docker.io/{tagged}" if slash else f"docker.io/library/{tagged}"
