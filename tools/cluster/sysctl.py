"""Settings of the kernel that a node needs, or that its daemons change."""

from __future__ import annotations

from pathlib import Path

from .steps import Failure

CHANGED = [
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


def read(name: str) -> str | None:
    file = _setting_file(name)
    return file.read_text().strip() if file.exists() else None


def write(name: str, value: str) -> None:
    try:
        _setting_file(name).write_text(value)
    except OSError as error:
        if read(name) == value:
            return
        raise Failure(
            f"cannot set {name} to {value}: {error}; a node needs it (kernel module br_netfilter for net.bridge)"
        ) from error


def _setting_file(name: str) -> Path:
    return Path("/proc/sys") / name.replace(".", "/")
