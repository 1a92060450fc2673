"""Where everything of the cluster lives, and the names and addresses that its parts know each other by."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PINS = Path(__file__).resolve().parent / "go"
"""The Go module that names the upstreams."""
MANIFESTS = Path(__file__).resolve().parent / "manifests"

STATE = ROOT / ".cluster"
BIN = STATE / "bin"
UPSTREAM = STATE / "upstream"
"""Manifests out of the Go modules that the binaries were built from."""
CACHE = STATE / "cache"
LOGS = STATE / "logs"
IMAGES = STATE / "containerd"
"""containerd's root: images, kept between runs."""

RUN = STATE / "run"
"""What exists only while the cluster does."""
PKI = RUN / "pki"
KUBECONFIG = PKI / "admin.conf"
CONTAINERD_SOCKET = RUN / "containerd.sock"
KUBELET = RUN / "kubelet"
VOLUMES = RUN / "volumes"
POD_LOGS = RUN / "pod-logs"

NODE = "node1"
BRIDGE = "cni-atelier"
NODE_ADDRESS = "10.244.0.1"
POD_NETWORK = "10.244.0.0/24"
SERVICE_NETWORK = "10.96.0.0/16"
KUBERNETES_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"
API = "https://127.0.0.1:16443"
ETCD = "http://127.0.0.1:12379"
CNI_PLUGINS = Path("/usr/lib/cni")
