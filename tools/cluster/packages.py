"""Debian's packages that the cluster runs on."""

from __future__ import annotations

import shutil
from pathlib import Path

from .commands import logged
from .layout import CNI_PLUGINS
from .steps import Failure, Step

PROGRAMS = {
    "etcd": "etcd-server",
    "containerd": "containerd",
    "runc": "runc",
    str(CNI_PLUGINS / "bridge"): "containernetworking-plugins",
    "iptables": "iptables",
    "ip": "iproute2",
    "openssl": "openssl",
    "debootstrap": "debootstrap",
}


def missing() -> list[str]:
    return [package for program, package in PROGRAMS.items() if shutil.which(program) is None]


def on_debian() -> bool:
    return Path("/etc/debian_version").exists() and shutil.which("apt-get") is not None


def ensure(step: Step) -> str:
    wanted = missing()
    if not wanted:
        return "kept"
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *wanted]
    if not on_debian():
        raise Failure(
            f"missing: {', '.join(wanted)} (these are Debian's names); on Debian and Ubuntu: {' '.join(command)}"
        )
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    step.now(f"apt-get install {' '.join(wanted)}")
    logged("apt-get-update", "apt-get", "update", environment=quiet)
    logged("apt-get-install", *command, environment=quiet)
    if still := missing():
        raise Failure(f"installed, but their programs are still missing: {', '.join(still)}")
    return f"installed {', '.join(wanted)}"
