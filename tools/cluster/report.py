"""What runs, or what was left."""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from rich.table import Table

from . import machine
from .kubectl import kubectl
from .layout import KUBECONFIG, LOGS, RUN
from .processes import Process, running
from .steps import Failure, console

DAEMONS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "containerd", "kubelet", "kube-proxy")


def status() -> None:
    if RUN.exists():
        _up()
    else:
        _down()


def _up() -> None:
    processes = {name: running(name) for name in DAEMONS}
    table = Table("process", "pid", "since", "for", "ports", box=None, pad_edge=False)
    for name, process in processes.items():
        table.add_row(name, *(_facts(process) if process else ("-", "not running")))
    console.print(table)
    console.print(f"\nlogs: {LOGS}")
    if processes["kube-apiserver"]:
        console.print(f"export KUBECONFIG={KUBECONFIG}\n")
        console.print(kubectl("get", "nodes", "--output=wide"))
        console.print(kubectl("get", "pods", "--all-namespaces"))
    if not all(processes.values()):
        raise Failure("not everything runs: make cluster-up starts what is missing, make cluster-down ends the rest")


def _facts(process: Process) -> tuple[str, ...]:
    running_for = timedelta(seconds=int(process.seconds()))
    return (
        str(process.pid),
        f"{datetime.now() - running_for:%Y-%m-%d %H:%M:%S}",
        str(running_for),
        " ".join(map(str, process.ports)),
    )


def _down() -> None:
    console.print("No cluster is up.")
    # Chains of iptables are for root to see.
    for leftover in machine.leftovers() if os.geteuid() == 0 else []:
        console.print(f"  still there: {leftover}")
