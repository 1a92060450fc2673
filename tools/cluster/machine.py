"""What the cluster changes on the machine outside its own folder, remembered before and put back after."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

from . import cgroups, folders, iptables, mounts, sysctl
from .commands import output
from .layout import BRIDGE, CONTAINERD_SOCKET, NODE_ADDRESS, RUN
from .processes import command_line
from .waiting import until

BEFORE = RUN / "before.json"


def prepare() -> str:
    """The machine's settings for a node, and the bridge that the API server's address is on."""
    for module in ("overlay", "br_netfilter"):
        if shutil.which("modprobe"):  # built into the kernel, or in a container: the settings below tell
            subprocess.run(["modprobe", "--quiet", module], check=False)
    if not BEFORE.exists():
        _remember()
    for name, value in sysctl.NEEDED.items():
        sysctl.write(name, value)
    if not _bridge().exists():
        output("ip", "link", "add", BRIDGE, "type", "bridge")
        output("ip", "address", "add", f"{NODE_ADDRESS}/24", "dev", BRIDGE)
    output("ip", "link", "set", BRIDGE, "up")
    return f"bridge {BRIDGE}, {', '.join(f'{name}={value}' for name, value in sysctl.NEEDED.items())}"


def _remember() -> None:
    BEFORE.parent.mkdir(parents=True, exist_ok=True)
    settings = {name: value for name in sysctl.CHANGED if (value := sysctl.read(name)) is not None}
    BEFORE.write_text(
        json.dumps({"settings": settings, "folders": [str(folder) for folder in folders.FOREIGN if folder.exists()]})
    )


def restore() -> None:
    """Undo what `prepare` and the daemons changed, if anything was prepared."""
    if not BEFORE.exists():
        return
    before = json.loads(BEFORE.read_text())
    mounts.remove()
    _end_orphans()
    _remove_bridge()
    iptables.remove()
    cgroups.remove()
    for name, value in before["settings"].items():
        if sysctl.read(name) != value:
            sysctl.write(name, value)
    folders.restore(before["folders"])


def leftovers() -> list[str]:
    """What is there although no cluster should be."""
    return [
        *(f"process {pid}: {' '.join(command_line(pid))[:120]}" for pid in sorted(_orphans())),
        *(f"mount {mount}" for mount in mounts.ours()),
        *([f"network link {BRIDGE}"] if _bridge().exists() else []),
        *(f"chains of a Kubernetes in {kind}" for kind in iptables.left()),
        *(f"cgroup {folder}" for folder in cgroups.all_of_them()),
        *([str(RUN)] if RUN.exists() else []),
    ]


def foreign_kubernetes() -> str | None:
    """Signs of a cluster that is not ours: two of them would share iptables' chains and cgroups."""
    if BEFORE.exists():
        return None
    if iptables.kubernetes_here():
        return "iptables has the chain KUBE-SERVICES"
    return next((f"the cgroup {folder} exists" for folder in cgroups.all_of_them()), None)


def _orphans() -> set[int]:
    """Containers' shims of our containerd, and whatever still runs in the pods' cgroups."""
    pids = [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]
    lines = {pid: command_line(pid) for pid in pids}
    shims = {
        pid for pid, line in lines.items() if line and "containerd-shim" in line[0] and str(CONTAINERD_SOCKET) in line
    }
    return shims | cgroups.processes()


def _end_orphans() -> None:
    for pid in _orphans():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    until(lambda: ", ".join(map(str, sorted(_orphans()))) or None, 15, "the end of the containers' processes")


def _bridge() -> Path:
    return Path(f"/sys/class/net/{BRIDGE}")


def _remove_bridge() -> None:
    if not _bridge().exists():
        return
    # A pod's link goes with its network namespace, which the kernel takes down in its own time.
    until(
        lambda: ", ".join(port.name for port in (_bridge() / "brif").iterdir()) or None,
        30,
        "the end of the pods' network links",
    )
    output("ip", "link", "delete", BRIDGE)
