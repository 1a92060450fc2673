"""What the cluster changes on the machine outside its own folder, remembered before and put back after."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from .commands import output
from .layout import BRIDGE, CONTAINERD_SOCKET, NODE_ADDRESS, RUN
from .processes import command_line
from .steps import Failure
from .waiting import until

BEFORE = RUN / "before.json"
SETTINGS = [
    "net.ipv4.ip_forward",
    "net.ipv4.conf.all.route_localnet",
    "net.bridge.bridge-nf-call-iptables",
    "net.netfilter.nf_conntrack_max",
    "net.netfilter.nf_conntrack_tcp_timeout_established",
    "net.netfilter.nf_conntrack_tcp_timeout_close_wait",
    "vm.overcommit_memory",
    "vm.panic_on_oom",
    "kernel.panic",
    "kernel.panic_on_oops",
    "kernel.keys.root_maxkeys",
    "kernel.keys.root_maxbytes",
]
"""What kubelet, kube-proxy and the bridge plugin set."""
NEEDED = {"net.ipv4.ip_forward": "1", "net.bridge.bridge-nf-call-iptables": "1"}
CGROUPS = ["kubepods", "k8s.io"]
CONTAINER_LOG_LINKS = Path("/var/log/containers")
CNI_RESULTS = Path("/var/lib/cni/results")
RUNTIME = Path("/run/containerd")
FOREIGN_FOLDERS = [
    *(CONTAINER_LOG_LINKS, CNI_RESULTS, CNI_RESULTS.parent),
    *(RUNTIME / "fifo", RUNTIME / "s", RUNTIME / "runc" / "k8s.io", RUNTIME / "runc", RUNTIME),
]
"""Folders that kubelet, the network plugins and containerd's shims have outside of ours; inner ones first."""


def prepare() -> str:
    """The machine's settings for a node, and the bridge that the API server's address is on."""
    for module in ("overlay", "br_netfilter"):
        if shutil.which("modprobe"):  # built into the kernel, or in a container: the settings below tell
            subprocess.run(["modprobe", "--quiet", module], check=False)
    if not BEFORE.exists():
        before = {"settings": {name: value for name in SETTINGS if (value := _setting(name)) is not None}}
        before["folders"] = [str(folder) for folder in FOREIGN_FOLDERS if folder.exists()]
        BEFORE.parent.mkdir(parents=True, exist_ok=True)
        BEFORE.write_text(json.dumps(before))
    for name, value in NEEDED.items():
        _set(name, value)
    if not _link_exists():
        output("ip", "link", "add", BRIDGE, "type", "bridge")
        output("ip", "address", "add", f"{NODE_ADDRESS}/24", "dev", BRIDGE)
    output("ip", "link", "set", BRIDGE, "up")
    return f"bridge {BRIDGE}, {', '.join(f'{name}={value}' for name, value in NEEDED.items())}"


def restore() -> None:
    """Everything that `prepare` and the daemons changed; nothing else."""
    _unmount()
    _end_orphans()
    _remove_bridge()
    for kind in ("iptables", "ip6tables"):
        if removal := _removal(kind):
            output(f"{kind}-restore", "--noflush", stdin=removal)
    _remove_cgroups()
    before = json.loads(BEFORE.read_text()) if BEFORE.exists() else {"settings": {}, "folders": [str(folder) for folder in FOREIGN_FOLDERS]}
    for name, value in before["settings"].items():
        if _setting(name) != value:
            _set(name, value)
    for link in CONTAINER_LOG_LINKS.glob("*.log"):
        if link.is_symlink() and str(link.readlink()).startswith(f"{RUN}/"):
            link.unlink()
    for result in CNI_RESULTS.glob("atelier-*"):
        result.unlink()
    for folder in FOREIGN_FOLDERS:
        if str(folder) not in before["folders"] and folder.exists() and not any(folder.iterdir()):
            folder.rmdir()


def leftovers() -> list[str]:
    """What is there although no cluster should be."""
    return [
        *(f"process {pid}: {' '.join(command_line(pid))[:120]}" for pid in _orphans()),
        *(f"mount {mount}" for mount in our_mounts()),
        *([f"network link {BRIDGE}"] if _link_exists() else []),
        *(f"chains of a Kubernetes in {kind}" for kind in ("iptables", "ip6tables") if _removal(kind)),
        *(f"cgroup {folder}" for folder in _cgroups()),
        *([f"{RUN}"] if RUN.exists() else []),
    ]


def foreign_kubernetes() -> str | None:
    """Signs of a cluster that is not ours: two of them would share iptables chains and cgroups."""
    if BEFORE.exists():
        return None
    if "KUBE-SERVICES" in output("iptables-save"):
        return "iptables has the chain KUBE-SERVICES"
    return next((f"the cgroup {folder} exists" for folder in _cgroups()), None)


# settings


def _setting(name: str) -> str | None:
    file = _setting_file(name)
    return file.read_text().strip() if file.exists() else None


def _set(name: str, value: str) -> None:
    try:
        _setting_file(name).write_text(value)
    except OSError as error:
        if _setting(name) == value:
            return
        raise Failure(f"cannot set {name} to {value}: {error}; a node needs it (kernel module br_netfilter for net.bridge)") from error


def _setting_file(name: str) -> Path:
    return Path("/proc/sys") / name.replace(".", "/")


# mounts


def our_mounts() -> list[str]:
    return mounts_below(Path("/proc/self/mounts").read_text(), RUN)


def mounts_below(table: str, folder: Path) -> list[str]:
    """Mount points inside a folder, deepest first; /proc/mounts writes spaces as \\040."""
    points = [re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), line.split()[1]) for line in table.splitlines()]
    return sorted((point for point in points if point.startswith(f"{folder}/")), key=lambda point: (point.count("/"), point), reverse=True)


def _unmount() -> None:
    for mount in our_mounts():
        if subprocess.run(["umount", mount], capture_output=True, check=False).returncode:
            output("umount", "--lazy", mount)


# processes


def _orphans() -> Iterator[int]:
    """Containers' shims of our containerd, and whatever still runs in the pods' cgroups."""
    for entry in Path("/proc").glob("[0-9]*"):
        line = command_line(int(entry.name))
        if line and "containerd-shim" in line[0] and str(CONTAINERD_SOCKET) in line:
            yield int(entry.name)
    pids: set[int] = set()
    for folder in _cgroups():
        for file in folder.rglob("cgroup.procs"):
            pids |= {int(pid) for pid in file.read_text().split()}
    yield from pids


def _end_orphans() -> None:
    for pid in _orphans():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    until(lambda: ", ".join(map(str, _orphans())) or None, 15, "the end of the containers' processes")


# network


def _link_exists() -> bool:
    return Path(f"/sys/class/net/{BRIDGE}").exists()


def _remove_bridge() -> None:
    if not _link_exists():
        return
    ports = Path(f"/sys/class/net/{BRIDGE}/brif")
    # A pod's link goes with its network namespace, which the kernel takes down in its own time.
    until(lambda: ", ".join(port.name for port in ports.iterdir()) or None, 30, "the end of the pods' network links")
    output("ip", "link", "delete", BRIDGE)


def _removal(kind: str) -> str:
    return rules_removal(output(f"{kind}-save")) if shutil.which(kind) else ""


def rules_removal(saved: str) -> str:
    """What iptables-restore --noflush needs to take away Kubernetes' chains and our network's, given iptables-save's output."""
    lines: list[str] = []
    for table in re.split(r"^(?=\*)", saved, flags=re.MULTILINE):
        rules = [line for line in table.splitlines() if line.startswith("-A ")]
        chains = {line.split()[0][1:] for line in table.splitlines() if line.startswith(":")}
        masquerade = {rule.rpartition(" -j ")[2].split()[0] for rule in rules if r"name: \"atelier\"" in rule and " -j CNI-" in rule}
        ours = {chain for chain in chains if chain.startswith("KUBE-")} | (masquerade & chains)
        jumps = [rule for rule in rules if rule.split()[1] not in ours and _target(rule) in ours]
        if ours:
            removal = [f"-D {rule.removeprefix('-A ')}" for rule in jumps]
            removal += [f"-F {chain}" for chain in sorted(ours)] + [f"-X {chain}" for chain in sorted(ours)]
            lines += [table.splitlines()[0], *removal, "COMMIT"]
    return "".join(f"{line}\n" for line in lines)


def _target(rule: str) -> str:
    found = re.search(r" -[jg] (\S+)", rule)
    return found[1] if found else ""


# cgroups


def _cgroups() -> list[Path]:
    """Ours in every hierarchy of version 1, or in the one of version 2."""
    root = Path("/sys/fs/cgroup")
    return [folder for name in CGROUPS for folder in (root / name, *root.glob(f"*/{name}")) if folder.is_dir()]


def _remove_cgroups() -> None:
    def missing() -> str | None:
        for top in _cgroups():
            for folder in sorted(
                (path for path in [top, *top.rglob("*")] if path.is_dir()), key=lambda path: len(path.parts), reverse=True
            ):
                try:
                    folder.rmdir()
                except OSError as error:
                    return str(error)
        return None

    until(missing, 15, "removing the pods' cgroups")
