"""prometheus-operator out of its own module's manifests, and a Prometheus that looks at everything."""

from __future__ import annotations

import shutil

from .builds import PROMETHEUS, PROMETHEUS_OPERATOR
from .kubectl import apply_text, kubectl, rolled_out
from .layout import MANIFESTS, UPSTREAM
from .steps import Step
from .waiting import until

NAMESPACE = "monitoring"
SOURCE = UPSTREAM / "prometheus-operator"


def install(step: Step) -> str:
    step.now("waiting for its resources")
    definitions = f"--filename={SOURCE / 'example' / 'prometheus-operator-crd'}"
    kubectl("apply", "--server-side", "--force-conflicts", definitions, seconds=120)
    kubectl("wait", "--for=condition=Established", "--timeout=60s", definitions, seconds=90)
    # Established is said before the API server answers for a kind: on a busy machine a second or more before.
    until(_unserved, 60, "the API server serves prometheus-operator's kinds")
    overlay = SOURCE / "atelier"
    shutil.copytree(MANIFESTS / "monitoring", overlay, dirs_exist_ok=True)
    prometheus = overlay / "prometheus.yaml"
    prometheus.write_text(prometheus.read_text().replace("{{version}}", prometheus_release(PROMETHEUS.version())))
    apply_text(kubectl("kustomize", "--load-restrictor=LoadRestrictionsNone", overlay))
    step.now("waiting for its workloads")
    rolled_out(NAMESPACE, "deployment/prometheus-operator")
    until(_no_prometheus, 60, "prometheus-operator makes the StatefulSet of Prometheus")
    rolled_out(NAMESPACE, "statefulset/prometheus-prometheus")
    return f"{PROMETHEUS_OPERATOR.version()}, Prometheus {prometheus_release(PROMETHEUS.version())}"


def prometheus_release(module: str) -> str:
    """Prometheus 3.5.1 for the Go module v0.305.1: the operator writes arguments and configuration for a release."""
    _, release, patch = module.split(".")
    return f"{int(release) // 100}.{int(release) % 100}.{patch}"


def _unserved() -> str | None:
    names = kubectl("api-resources", "--api-group=monitoring.coreos.com", "--output=name").split()
    missing = {"servicemonitors", "prometheuses", "prometheusrules"} - {name.partition(".")[0] for name in names}
    return " ".join(sorted(missing)) or None


def _no_prometheus() -> str | None:
    statefulset = kubectl(
        "--namespace", NAMESPACE, "get", "statefulset/prometheus-prometheus", "--ignore-not-found", "--output=name"
    )
    return (
        None
        if statefulset
        else kubectl("--namespace", NAMESPACE, "logs", "deployment/prometheus-operator", "--tail=3").strip()
        or "it is not there"
    )
