"""The one node: containerd, kubelet and kube-proxy, and the pods' network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from .commands import output
from .files import write
from .http_checks import answers
from .images import PAUSE
from .kubectl import kubectl
from .layout import (
    BIN,
    BRIDGE,
    CNI_PLUGINS,
    CONTAINERD_SOCKET,
    DNS_SERVICE,
    IMAGES,
    KUBELET,
    NODE,
    NODE_ADDRESS,
    PKI,
    POD_LOGS,
    POD_NETWORK,
    RUN,
)
from .processes import Daemon
from .steps import Failure

CNI = RUN / "cni"
KUBELET_PORT, KUBELET_HEALTH, PROXY_METRICS, PROXY_HEALTH = 11250, 11248, 11249, 11256
RESOLVED = Path("/run/systemd/resolve/resolv.conf")

CONTAINERD = f"""\
version = 2
root = "{IMAGES}"
state = "{RUN}/containerd"
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{RUN}/containerd-opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE.name}"
  # Without CAP_SYS_RESOURCE a lower score cannot be set, and runc fails: "can't get final child's PID from pipe: EOF".
  restrict_oom_score_adj = true
  # Below our own folder, so that they are known as ours.
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI_PLUGINS}"
    conf_dir = "{CNI}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      Root = "{RUN}/runc"
      SystemdCgroup = false
"""


def containerd() -> Daemon:
    write(CNI / "10-atelier.conflist", json.dumps(pod_network()))
    config = RUN / "containerd.toml"
    write(config, CONTAINERD)
    return Daemon("containerd", ["containerd", "--config", str(config)], _containerd_missing)


def _containerd_missing() -> str | None:
    try:
        plugins = output("ctr", "--address", CONTAINERD_SOCKET, "plugins", "ls", seconds=10)
    except Failure as failure:
        return str(failure)
    cri = next(
        (line.split() for line in plugins.splitlines() if line.startswith("io.containerd.grpc.v1") and " cri " in line),
        None,
    )
    return None if cri and cri[-1] == "ok" else f"its plugin for Kubernetes (cri) is {cri[-1] if cri else 'missing'}"


def pod_network() -> dict[str, Any]:
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": POD_NETWORK, "gateway": NODE_ADDRESS}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": BRIDGE, "isGateway": True, "ipMasq": True, "hairpinMode": True}
    return {
        "cniVersion": "1.0.0",
        "name": "atelier",
        "plugins": [{**bridge, "ipam": {**addresses, "dataDir": str(RUN / "addresses")}}],
    }


def kubelet() -> Daemon:
    config = RUN / "kubelet.yaml"
    write(config, yaml.safe_dump(kubelet_configuration(), sort_keys=False))
    command = [
        *(str(BIN / "kubelet"), f"--config={config}", f"--kubeconfig={PKI / 'kubelet.conf'}"),
        *(f"--hostname-override={NODE}", f"--node-ip={NODE_ADDRESS}", f"--root-dir={KUBELET}", "--v=2"),
    ]
    return Daemon(
        "kubelet", command, answers(f"http://127.0.0.1:{KUBELET_HEALTH}/healthz"), ports=(KUBELET_PORT, KUBELET_HEALTH)
    )


def kubelet_configuration() -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(PKI / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(PKI / "kubelet.crt"),
        "tlsPrivateKeyFile": str(PKI / "kubelet.key"),
        "port": KUBELET_PORT,
        "healthzPort": KUBELET_HEALTH,
        "readOnlyPort": 0,
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "podLogsDir": str(POD_LOGS),
        "volumePluginDir": str(RUN / "volume-plugins"),
        "clusterDNS": [DNS_SERVICE],
        "clusterDomain": "cluster.local",
        # systemd's own stub answers on this machine's loopback only.
        "resolvConf": str(RESOLVED if RESOLVED.exists() else "/etc/resolv.conf"),
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "maxPods": 60,
        "serializeImagePulls": False,
        # Images were imported and can be pulled from nowhere: none may be collected.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
    }


def proxy() -> Daemon:
    config = RUN / "kube-proxy.yaml"
    configuration = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": {"kubeconfig": str(PKI / "kube-proxy.conf")},
        "clusterCIDR": POD_NETWORK,
        "hostnameOverride": NODE,
        "conntrack": {"maxPerCore": 0, "min": 0},
        "metricsBindAddress": f"127.0.0.1:{PROXY_METRICS}",
        "healthzBindAddress": f"127.0.0.1:{PROXY_HEALTH}",
    }
    write(config, yaml.safe_dump(configuration, sort_keys=False))
    command = [str(BIN / "kube-proxy"), f"--config={config}"]
    return Daemon(
        "kube-proxy", command, answers(f"http://127.0.0.1:{PROXY_HEALTH}/healthz"), ports=(PROXY_METRICS, PROXY_HEALTH)
    )


def not_ready() -> str | None:
    """Why the node cannot take pods, in the kubelet's words."""
    node = kubectl("get", "node", NODE, "--ignore-not-found", "--output=json")
    if not node:
        return "the kubelet has not registered it"
    ready = next(one for one in json.loads(node)["status"]["conditions"] if one["type"] == "Ready")
    return None if ready["status"] == "True" else ready["message"]
