"""Whether one trial fits on a node. Taints are not looked at, nor what runs there already."""

from __future__ import annotations

from collections.abc import Iterator

from lightkube.resources.core_v1 import Node

from atelier_cli.doctor.cluster import Cluster, name_of
from atelier_cli.doctor.diagnosis import Diagnosis, missing, ok
from atelier_cli.doctor.quantities import amount
from atelier_cli.profile.merging import Values

WHAT = "one trial"
GPU_OPERATOR = "helm install gpu-operator gpu-operator --repo https://helm.nvidia.com/nvidia --namespace gpu-operator --create-namespace"


def check_nodes(cluster: Cluster, resources: Values) -> Iterator[Diagnosis]:
    """Whether a node can hold what a trial requests, or what no node has enough of."""
    requests = (resources.get("limits") or {}) | (resources.get("requests") or {})  # without a request, the limit is it
    nodes = {name_of(node): (node.status and node.status.allocatable) or {} for node in cluster.client.list(Node)}
    asked = ", ".join(f"{name} {quantity}" for name, quantity in requests.items())
    holders = [
        name for name, has in nodes.items() if all(amount(has.get(r, "0")) >= amount(q) for r, q in requests.items())
    ]
    if holders:
        yield ok(WHAT, f"{asked}: node {holders[0]} can hold it")
        return
    if not nodes:
        yield missing(WHAT, "the cluster has no node", f"{cluster.kubectl} get nodes")
        return
    most = {name: max((has.get(name, "0") for has in nodes.values()), key=amount) for name in requests}
    short = {name: quantity for name, quantity in most.items() if amount(quantity) < amount(requests[name])}
    if not short:
        change = "# lower trainer.resources.requests to what one node has"
        yield missing(WHAT, f"{asked}: nodes have enough of each, and none has enough of all", change)
    for name, quantity in short.items():
        key = f"trainer.resources.{'requests' if name in (resources.get('requests') or {}) else 'limits'}.{name}"
        if name == "nvidia.com/gpu" and not amount(quantity):
            yield missing(
                WHAT, f"{key} is {requests[name]}, and no node has any (MicroK8s: microk8s enable nvidia)", GPU_OPERATOR
            )
        else:
            yield missing(
                WHAT,
                f"{key} is {requests[name]}, and the most a node has is {quantity}",
                f"# set {key} to at most {quantity}",
            )
