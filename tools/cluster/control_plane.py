"""etcd, API server, controller manager and scheduler."""

from __future__ import annotations

import json
from collections.abc import Mapping

from .files import write
from .http_checks import answers, api_ready
from .layout import API, BIN, ETCD, NODE_ADDRESS, PKI, RUN, SERVICE_NETWORK
from .processes import Daemon
from .storage import recycler

PEERS = "http://127.0.0.1:12380"
CONTROLLER_MANAGER_PORT, SCHEDULER_PORT = 11257, 11259


def etcd() -> Daemon:
    # Data that lives as long as the cluster need not survive a power cut: fsync is most of etcd's time.
    command = [
        "etcd",
        *("--data-dir", str(RUN / "etcd")),
        *("--listen-client-urls", ETCD),
        *("--advertise-client-urls", ETCD),
    ]
    command += [
        *("--listen-peer-urls", PEERS),
        *("--initial-advertise-peer-urls", PEERS),
        *("--initial-cluster", f"default={PEERS}"),
    ]
    return Daemon("etcd", [*command, "--unsafe-no-fsync"], answers(f"{ETCD}/health"), ports=(12379, 12380))


def apiserver() -> Daemon:
    flags = {
        "etcd-servers": ETCD,
        "secure-port": API.rpartition(":")[2],
        "advertise-address": NODE_ADDRESS,
        "tls-cert-file": PKI / "apiserver.crt",
        "tls-private-key-file": PKI / "apiserver.key",
        "client-ca-file": PKI / "ca.crt",
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-key-file": PKI / "service-accounts.pub",
        "service-account-signing-key-file": PKI / "service-accounts.key",
        "service-cluster-ip-range": SERVICE_NETWORK,
        "kubelet-client-certificate": PKI / "admin.crt",
        "kubelet-client-key": PKI / "admin.key",
        "kubelet-preferred-address-types": "InternalIP",
        "allow-privileged": "true",
    }
    return Daemon("kube-apiserver", _command("kube-apiserver", flags), api_ready, ports=(16443,))


def controller_manager() -> Daemon:
    template = RUN / "recycler.json"
    write(template, json.dumps(recycler()))
    flags = {
        "kubeconfig": PKI / "controller-manager.conf",
        "service-account-private-key-file": PKI / "service-accounts.key",
        "root-ca-file": PKI / "ca.crt",
        "cluster-signing-cert-file": PKI / "ca.crt",
        "cluster-signing-key-file": PKI / "ca.key",
        "use-service-account-credentials": "true",
        "leader-elect": "false",
        "bind-address": "127.0.0.1",
        "secure-port": CONTROLLER_MANAGER_PORT,
        "pv-recycler-pod-template-filepath-hostpath": template,
    }
    check = answers(f"https://127.0.0.1:{CONTROLLER_MANAGER_PORT}/healthz")
    return Daemon(
        "kube-controller-manager", _command("kube-controller-manager", flags), check, ports=(CONTROLLER_MANAGER_PORT,)
    )


def scheduler() -> Daemon:
    flags = {
        "kubeconfig": PKI / "scheduler.conf",
        "leader-elect": "false",
        "bind-address": "127.0.0.1",
        "secure-port": SCHEDULER_PORT,
    }
    check = answers(f"https://127.0.0.1:{SCHEDULER_PORT}/readyz")
    return Daemon("kube-scheduler", _command("kube-scheduler", flags), check, ports=(SCHEDULER_PORT,))


def _command(program: str, flags: Mapping[str, object]) -> list[str]:
    return [str(BIN / program), *(f"--{name}={value}" for name, value in flags.items())]
