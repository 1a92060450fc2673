"""Whether the cluster serves the kinds that monitoring renders."""

from __future__ import annotations

from collections.abc import Iterator

from atelier_cli.doctor.cluster import Cluster
from atelier_cli.doctor.diagnosis import Diagnosis, missing, ok, warning
from atelier_cli.profile.merging import Values

API = "monitoring.coreos.com/v1"
KINDS = {"serviceMonitor": "servicemonitors", "prometheusRule": "prometheusrules"}
"""Keys under monitoring, and the kinds that they render."""
INSTALL = (
    "helm install prometheus oci://ghcr.io/prometheus-community/charts/kube-prometheus-stack"
    " --namespace monitoring --create-namespace"
)


def check_monitoring(cluster: Cluster, monitoring: Values) -> Iterator[Diagnosis]:
    """Whether the Prometheus operator's kinds that the profile turns on are served."""
    wanted = [kind for key, kind in KINDS.items() if (monitoring.get(key) or {}).get("enabled")]
    if not wanted:
        return
    lacking = cluster.lacking(API, wanted)
    if not lacking:
        yield ok("monitoring", f"{', '.join(wanted)} ({API})")
        return
    message = f"{API} has no {', '.join(lacking)}"
    if monitoring.get("renderMode") == "skipIfMissing":
        yield warning("monitoring", f"{message}; skipIfMissing leaves out what needs them", INSTALL)
    else:
        yield missing("monitoring", message, INSTALL)
