"""The cluster as a whole: up, down, and what there is of it."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from . import (
    builds,
    control_plane,
    debian,
    dns,
    images,
    katib,
    machine,
    monitoring,
    mounts,
    node,
    packages,
    pki,
    storage,
    transfer,
)
from .containerd import remove_containers
from .layout import KUBECONFIG, NODE, RUN, STATE
from .obstacles import need_room, need_root, other_kubernetes, refuse
from .processes import Daemon, ensure, log_of, running, stop
from .steps import Failure, console, step
from .waiting import until


def up() -> None:
    """Start everything, each part after those that it needs; what is there stays."""
    refuse(*need_root(), *need_room())
    with _alone():
        with step("packages") as now:
            now.outcome = packages.ensure(now)
        refuse(*other_kubernetes())
        with step("binaries") as now:
            now.outcome = builds.ensure(now)
        with step("debian") as now:
            now.outcome = debian.ensure(now)
        with step("machine") as now:
            now.outcome = machine.prepare()
        with step("pki") as now:
            now.outcome = pki.ensure()
        _bring_up(control_plane.etcd())
        _bring_up(control_plane.apiserver())
        _bring_up(control_plane.controller_manager())
        _bring_up(control_plane.scheduler())
        _bring_up(node.containerd())
        with step("images") as now:
            now.outcome = images.ensure(now)
        _bring_up(node.kubelet())
        with step("node") as now:
            until(node.not_ready, 90, f"{NODE} becomes Ready", log_of("kubelet"))
            now.outcome = f"{NODE} is Ready"
        _bring_up(node.proxy())
        with step("storage") as now:
            now.outcome = storage.install()
        with step("CoreDNS") as now:
            now.outcome = dns.install()
        with step("Katib") as now:
            now.outcome = katib.install(now)
        with step("Prometheus") as now:
            now.outcome = monitoring.install(now)
    console.print(f"\nThe cluster is up. Use it:\n  export KUBECONFIG={KUBECONFIG}")
    console.print(
        "Images that docker, podman or buildah has: make cluster-load IMAGES='…'. When done: make cluster-down"
    )


def down(everything: bool = False) -> None:
    """Stop what `up` started and put the machine back; binaries and images stay unless everything goes."""
    refuse(*need_root())
    if not STATE.exists():
        console.print("There is no cluster.")
        return
    with _alone():
        left = _stop() if RUN.exists() else []
        if everything:
            with step("caches") as now:
                shutil.rmtree(STATE)
                now.outcome = f"{STATE} removed"
    if left:
        raise Failure("still there:\n" + "\n".join(f"  {thing}" for thing in left))
    console.print("The cluster is down; nothing of it is left on the machine.")


def _stop() -> list[str]:
    """What is still there afterwards."""
    with step("workers") as now:
        # The kubelet first: it would start again what is stopped below.
        now.outcome = _stopped("kubelet", "kube-scheduler", "kube-controller-manager", "kube-proxy")
    with step("containers") as now:
        now.outcome = remove_containers() if running("containerd") else "no containerd runs"
    with step("control plane") as now:
        # The API server before etcd: without etcd it does not end.
        now.outcome = _stopped("containerd", "kube-apiserver", "etcd")
    with step("machine") as now:
        machine.restore()
        if mounted := mounts.ours():
            raise Failure(f"still mounted, so {RUN} cannot be removed: {', '.join(mounted)}")
        shutil.rmtree(RUN)
        now.outcome = "as it was"
    return machine.leftovers()


def _stopped(*names: str) -> str:
    return ", ".join(name for name in names if stop(name)) + " stopped"


def _bring_up(daemon: Daemon) -> None:
    with step(daemon.name) as now:
        now.outcome = ensure(daemon)


@contextmanager
def _alone() -> Iterator[None]:
    """One command at a time changes a cluster."""
    STATE.mkdir(exist_ok=True)
    with (STATE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Failure("another command of this tool is at work on this cluster") from error
        yield


def load(names: list[str]) -> None:
    refuse(*need_root(), *([] if running("containerd") else ["no cluster is up: make cluster-up"]))
    with step("images") as now:
        now.outcome = transfer.load(names, now)


def base() -> None:
    """The base image without a cluster, for image builds where no registry can be reached."""
    refuse(*need_root())
    with step("packages") as now:
        now.outcome = packages.ensure(now)
    with step("base image") as now:
        now.outcome = transfer.offer_base(now)
