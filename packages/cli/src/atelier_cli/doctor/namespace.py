"""The labels of the namespace that a search runs in."""

from __future__ import annotations

from collections.abc import Iterator

from atelier_store.spec import Spec
from lightkube.resources.core_v1 import Namespace

from atelier_cli.doctor.cluster import Cluster, NoCluster
from atelier_cli.doctor.diagnosis import Diagnosis, missing, ok, warning
from atelier_cli.doctor.katib import Configuration, configuration

INJECTION = "katib.kubeflow.org/metrics-collector-injection"
ENFORCE = "pod-security.kubernetes.io/enforce"


def check_labels(cluster: Cluster, katib_namespace: str, spec: Spec | None) -> Iterator[Diagnosis]:
    """Whether Katib works in the namespace, and its containers may start there. NoCluster if it does not exist."""
    namespace = cluster.find(Namespace, cluster.namespace)
    if namespace is None:
        create = f"{cluster.kubectl} create namespace {cluster.namespace}"
        where = f"the cluster of context {cluster.context!r}"
        raise NoCluster(f"--namespace: {cluster.namespace!r} is not in {where}; to create it: {create}")
    labels = (namespace.metadata and namespace.metadata.labels) or {}
    label = f"{cluster.kubectl} label --overwrite namespace {cluster.namespace}"
    if labels.get(INJECTION) == "enabled":
        yield ok("namespace label", f"{cluster.namespace} has {INJECTION}=enabled")
    else:
        message = f"{cluster.namespace} is without {INJECTION}=enabled: Katib refuses Experiments there"
        yield missing("namespace label", message, f"{label} {INJECTION}=enabled")
    if labels.get(ENFORCE) == "restricted":
        refused = _refused_by_restricted(configuration(cluster, katib_namespace), spec)
        if refused:
            message = f"{cluster.namespace} enforces restricted, which refuses {' and '.join(refused)}"
            yield warning("pod security", message, f"{label} {ENFORCE}=baseline")
        else:
            message = (
                f"{cluster.namespace} enforces restricted, and katib-config gives its containers what that asks for"
            )
            yield ok("pod security", message)


def _refused_by_restricted(known: Configuration | None, spec: Spec | None) -> list[str]:
    """Which of Katib's containers come without a security context."""
    if known is None:
        return ["Katib's containers"]
    refused = []
    if not known.init.controller.inject_security_context:
        refused.append("the sidecar of trials (init.controller.injectSecurityContext)")
    if spec is not None:
        name = spec.experiment.algorithm.algorithm_name
        suggestion = known.suggestion(name)
        if suggestion is not None and not suggestion.security_context:
            refused.append(f"the suggestion pod (runtime.suggestions, {name}: securityContext)")
        if spec.experiment.early_stopping.algorithm_name == "medianstop":
            refused.append("medianstop, which has no security context at all")
    return refused
