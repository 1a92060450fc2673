"""containerd's own client, on our socket."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO

from .commands import output
from .layout import CONTAINERD_SOCKET
from .steps import Failure
from .waiting import until

LABEL = "atelier/content"
"""On an image: a digest of its parts; in containerd also the id that an engine has for it."""


def ctr(*arguments: str | Path, stdin: IO[bytes] | None = None, seconds: float = 60) -> str:
    command = ("ctr", "--address", CONTAINERD_SOCKET, "--namespace", "k8s.io", *arguments)
    return output(*command, stdin=stdin, seconds=seconds)


def has_image(name: str, content: str) -> bool:
    return name in ctr("images", "ls", "--quiet", f'labels."{LABEL}"=={content}').splitlines()


def import_images(archive: IO[bytes], contents: dict[str, str]) -> None:
    ctr("images", "import", "-", stdin=archive, seconds=1800)
    for name, content in contents.items():
        ctr("images", "label", name, f"{LABEL}={content}")
    _discard_layers(list(contents))


def _discard_layers(names: list[str]) -> None:
    """Containers run on what layers were unpacked to: kept as archives too, they would take the same room once more."""
    layers: set[str] = set()
    for name in names:
        manifest = json.loads(ctr("content", "get", _digest(name)))
        layers |= {layer["digest"] for layer in manifest["layers"]}
    ctr("content", "rm", *layers)


def _digest(name: str) -> str:
    """Of an image's manifest: the third column."""
    _, line = ctr("images", "ls", f"name=={name}").splitlines()
    return line.split()[2]


def remove_containers() -> str:
    """All of them, by SIGKILL: their work ends with the cluster."""
    count = len(ctr("containers", "ls", "--quiet").split())
    until(lambda: _left("tasks", "delete", "--force"), 30, "stopping the containers")
    until(lambda: _left("containers", "delete"), 30, "removing the containers")
    return f"{count} removed"


def _left(kind: str, *removal: str) -> str | None:
    """What is left of a kind after one more try, which fails for what containerd has removed itself meanwhile."""
    if left := ctr(kind, "ls", "--quiet").split():
        try:
            ctr(kind, *removal, *left)
        except Failure as failure:
            return str(failure)
    return " ".join(ctr(kind, "ls", "--quiet").split()) or None
