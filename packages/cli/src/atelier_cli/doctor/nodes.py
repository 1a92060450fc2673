"""Whether one trial fits on a node; ignores taints, and the pods that run there already."""

from __future__ import annotations

from collections.abc import Iterator

from lightkube.resources.core_v1 import Node

from atelier_cli.doctor.cluster import Cluster, amount, name_of
from atelier_cli.doctor.diagnosis import Diagnosis, missing, ok
from atelier_cli.profile.merging import Values

CHECK = "one trial"
GPU_OPERATOR = (
    "helm install gpu-operator gpu-operator --repo https://helm.nvidia.com/nvidia"
    " --namespace gpu-operator --create-namespace"
)


def check_nodes(cluster: Cluster, resources: Values) -> Iterator[Diagnosis]:
    """Whether a node has what a trial requests; if not, what no node has enough of."""
    requests = (resources.get("limits") or {}) | (resources.get("requests") or {})  # a limit is the default request
    nodes = {name_of(node): (node.status and node.status.allocatable) or {} for node in cluster.client.list(Node)}
    requested = ", ".join(f"{name} {quantity}" for name, quantity in requests.items())
    for node, has in nodes.items():
        if all(amount(has.get(name, "0")) >= amount(quantity) for name, quantity in requests.items()):
            yield ok(CHECK, f"{requested}: node {node} can hold it")
            return
    if not nodes:
        yield missing(CHECK, "the cluster has no node", f"{cluster.kubectl} get nodes")
        return
    most = {name: max((has.get(name, "0") for has in nodes.values()), key=amount) for name in requests}
    short = {name: quantity for name, quantity in most.items() if amount(quantity) < amount(requests[name])}
    if not short:
        change = "# lower trainer.resources.requests to what one node has"
        yield missing(CHECK, f"{requested}: nodes have enough of each, and none has enough of all", change)
    for name, quantity in short.items():
        key = f"trainer.resources.{'requests' if name in (resources.get('requests') or {}) else 'limits'}.{name}"
        if name == "nvidia.com/gpu" and not amount(quantity):
            message = f"{key} is {requests[name]}, and no node has any (MicroK8s: microk8s enable nvidia)"
            yield missing(CHECK, message, GPU_OPERATOR)
        else:
            message = f"{key} is {requests[name]}, and the most a node has is {quantity}"
            yield missing(CHECK, message, f"# set {key} to at most {quantity}")
