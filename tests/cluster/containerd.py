"""containerd's own client, on our socket."""

from __future__ import annotations

from pathlib import Path

from .commands import output
from .layout import CONTAINERD_SOCKET
from .steps import Failure
from .waiting import until


def ctr(*arguments: str | Path, seconds: float = 60) -> str:
    return output("ctr", "--address", CONTAINERD_SOCKET, "--namespace", "k8s.io", *arguments, seconds=seconds)


def remove_containers() -> str:
    """All of them, without asking: what they were doing ends with the cluster."""
    count = len(ctr("containers", "ls", "--quiet").split())
    until(lambda: _left("tasks", "delete", "--force"), 30, "stopping the containers")
    until(lambda: _left("containers", "delete"), 30, "removing the containers")
    return f"{count} removed"


def _left(kind: str, *removal: str) -> str | None:
    """What there still is of a kind, after one more try: containerd removes some itself meanwhile, and then the try fails."""
    if found := ctr(kind, "ls", "--quiet").split():
        try:
            ctr(kind, *removal, *found)
        except Failure as failure:
            return str(failure)
    return " ".join(ctr(kind, "ls", "--quiet").split()) or None
