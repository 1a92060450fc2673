"""Folders outside of our own that Kubernetes' daemons use whatever they are told."""

from __future__ import annotations

from pathlib import Path

from .layout import RUN

CONTAINER_LOG_LINKS = Path("/var/log/containers")
CNI_RESULTS = Path("/var/lib/cni/results")
RUNTIME = Path("/run/containerd")
DEVICE_PLUGINS = Path("/var/lib/kubelet/device-plugins")
FOREIGN = [
    *(CONTAINER_LOG_LINKS, CNI_RESULTS, CNI_RESULTS.parent, DEVICE_PLUGINS, DEVICE_PLUGINS.parent),
    *(RUNTIME / "fifo", RUNTIME / "s", RUNTIME / "runc" / "k8s.io", RUNTIME / "runc", RUNTIME),
]
"""Folders that kubelet, the network plugins and containerd's shims have outside of ours; inner ones first."""


def restore(before: list[str]) -> None:
    """Remove our files from folders that are not ours, and the folders that were not there before."""
    links = [
        link
        for link in CONTAINER_LOG_LINKS.glob("*.log")
        if link.is_symlink() and str(link.readlink()).startswith(f"{RUN}/")
    ]
    own = [] if str(DEVICE_PLUGINS) in before else DEVICE_PLUGINS.glob("kubelet*")
    pods = [result.name.split("-")[1] for result in CNI_RESULTS.glob("atelier-*")]
    results = [result for pod in pods for result in CNI_RESULTS.glob(f"*-{pod}-*")]
    for file in (*links, *results, *own):
        file.unlink()
    for folder in FOREIGN:
        if str(folder) not in before and folder.exists() and not any(folder.iterdir()):
            folder.rmdir()
