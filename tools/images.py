"""Build the trainer's and the server's image, or import them into MicroK8s.

    python3 -m tools.images build | remove | import-microk8s | names

Settings are variables of make or of the environment; docs/images.md says what they are. Needs Python alone.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from tools.engines import ENGINES, Engine

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "charts" / "katib-nas-atelier" / "Chart.yaml"
NAMES = ("server", "trainer")
OWN_CERTIFICATES = "Where a proxy or a mirror has certificates of its own, builds need them: make images CA=FILE"
PASSED_ON = (
    "BASE",
    "TORCH_INDEX",
    "UV_DEFAULT_INDEX",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)


class Refused(Exception):
    """What is wrong, and what to do."""


def engine() -> Engine:
    """The first that works."""
    for candidate in ENGINES:
        if candidate.works():
            return candidate
    raise Refused(
        "no program that builds images answers; one of these has to: docker (with its daemon running), podman, buildah"
    )


def reference(name: str, environment: Mapping[str, str]) -> str:
    """The image's name in the chart's values with registry and appVersion, as container runtimes write it."""
    return f"{environment.get('REGISTRY') or 'docker.io'}/katib-nas-atelier/{name}:{version()}"


def version() -> str:
    """The chart's appVersion."""
    found = re.search(r'^appVersion: "(.+)"$', CHART.read_text(), re.MULTILINE)
    if not found:
        raise Refused(f'{CHART.relative_to(ROOT)}: appVersion is missing; allowed: a line appVersion: "0.1.0"')
    return found[1]


def revision() -> str:
    """The commit, marked if what is built differs from it; "unknown" outside a clone and without git."""
    command = ["git", "describe", "--always", "--abbrev=40", "--match=", "--dirty"]
    try:
        describe = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "unknown"
    return describe.stdout.strip() or "unknown"


def arguments(name: str, environment: Mapping[str, str]) -> list[str]:
    """What a build is given. An argument that is not set is the Dockerfile's; TORCH_INDEX may be set to nothing."""
    given = {
        one: environment[one] for one in PASSED_ON if one in environment and (environment[one] or one == "TORCH_INDEX")
    }
    if name != "trainer":
        given.pop("TORCH_INDEX", None)
    given |= {"VERSION": version(), "REVISION": revision()}
    parts = ["--file", f"images/{name}/Dockerfile", "--tag", reference(name, environment)]
    parts += [part for key, value in given.items() for part in ("--build-arg", f"{key}={value}")]
    if bundle := environment.get("CA"):
        if not Path(bundle).is_file():
            raise Refused(f"CA: {bundle} is no file; allowed: the path of a bundle of certificates (PEM)")
        parts += ["--secret", f"id=ca,src={bundle}"]
    return [*parts, "."]


def build(environment: Mapping[str, str]) -> None:
    """Build both images, then say how large they are and what comes next."""
    builder = engine()
    commands = {name: [builder.program, *builder.build, *arguments(name, environment)] for name in NAMES}
    seconds = {}
    for name, command in commands.items():
        _say(shlex.join(command))
        began = time.monotonic()
        if subprocess.run(command, cwd=ROOT, check=False, env={**os.environ, "DOCKER_BUILDKIT": "1"}).returncode:
            trust = "" if environment.get("CA") else f". {OWN_CERTIFICATES}"
            raise Refused(f"{name}: {builder.program} could not build the image; its output is above{trust}")
        seconds[name] = time.monotonic() - began
    _say()
    for name in NAMES:
        size = builder.run("images", "--format", "{{.Size}}", reference(name, environment)).splitlines()[0]
        _say(f"{reference(name, environment)}  {size}, built in {seconds[name]:.0f} s")
    _say("\nThe nodes need them next:")
    _say("  one node with MicroK8s   make images-import-microk8s")
    _say(f"  a registry               make images REGISTRY=HOST, then {builder.program} push each, and install with")
    _say("                           --set trainer.image.repository=HOST/katib-nas-atelier/trainer")
    _say("                           --set server.image.repository=HOST/katib-nas-atelier/server")


def remove(environment: Mapping[str, str]) -> None:
    """Remove both images, and all layers that no image has any more."""
    builder = engine()
    for image in (reference(name, environment) for name in NAMES):
        if builder.identity(image):
            builder.run("rmi", image)
    builder.prune()


def import_microk8s(environment: Mapping[str, str]) -> None:
    """Hand both images to MicroK8s' container runtime."""
    if not shutil.which("microk8s"):
        raise Refused("microk8s is missing: run this on the node, or see docs/images.md for other clusters")
    builder = engine()
    for image in (reference(name, environment) for name in NAMES):
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "image.tar"
            try:
                subprocess.run(builder.save(image, archive), check=True, stdout=subprocess.DEVNULL)
            except subprocess.CalledProcessError:
                raise Refused(f"{image} is not there: make images comes first, with the same REGISTRY") from None
            if subprocess.run(["microk8s", "ctr", "image", "import", str(archive)], check=False).returncode:
                raise Refused(
                    f"{image}: MicroK8s did not import it; its output is above (only its group or root may import)"
                )
        _say(f"{image} is on this node")


def _say(line: str = "") -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def names(environment: Mapping[str, str]) -> None:
    """Print what the images are called."""
    _say(" ".join(reference(name, environment) for name in NAMES))


COMMANDS = {"build": build, "remove": remove, "import-microk8s": import_microk8s, "names": names}

if __name__ == "__main__":
    options = argparse.ArgumentParser(prog="images.py", description="Build the images or import them into MicroK8s.")
    options.add_argument("command", choices=COMMANDS)
    try:
        COMMANDS[options.parse_args().command](os.environ)
    except Refused as refused:
        sys.exit(str(refused))
