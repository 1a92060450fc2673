"""Why a cluster cannot be here; all reasons at once."""

from __future__ import annotations

import os
import shutil

from .layout import BIN, CONTAINERD_SOCKET, KUBELET, ROOT
from .machine import foreign_kubernetes
from .steps import Failure

LONGEST_SOCKET = 107
BUILT, TO_BUILD = 4e9, 12e9
"""Bytes that the cluster needs with its binaries built, and without: Go's caches are most of it."""
FOR_IMAGES = 22e9
"""Bytes more while our images are built: a layer is on the disk four times for a moment, and one has 6 GB."""


def refuse(*reasons: str) -> None:
    if reasons:
        raise Failure("\n".join(reasons))


def need_root() -> list[str]:
    return (
        []
        if os.geteuid() == 0
        else ["this must run as root: it starts containers, and changes network links and iptables"]
    )


def need_room(beside: float = 0) -> list[str]:
    """Checked before anything begins: a disk that fills up fails everything else on the machine too."""
    reasons = []
    needed, free = (BUILT if BIN.exists() else TO_BUILD) + beside, shutil.disk_usage(ROOT).free
    if free < needed:
        reasons.append(f"{ROOT} has {free / 1e9:.1f} GB free; {needed / 1e9:.0f} GB are needed")
    sockets = [
        f"{CONTAINERD_SOCKET}.ttrpc",
        *(str(KUBELET / folder / "kubelet.sock") for folder in ("pod-resources", "device-plugins")),
    ]
    longest = max(sockets, key=len)
    if len(longest) > LONGEST_SOCKET:
        reasons.append(
            f"the path of the checkout is {len(longest) - LONGEST_SOCKET} characters too long for a socket's: {longest}"
        )
    return reasons


def other_kubernetes() -> list[str]:
    """Two clusters would remove each other's rules."""
    sign = foreign_kubernetes()
    return [f"another Kubernetes seems to run on this machine ({sign}): stop it first"] if sign else []
