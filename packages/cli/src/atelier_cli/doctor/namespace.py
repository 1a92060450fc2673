"""The namespace that a search runs in: its labels, and what one may do there."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
from atelier_store.spec import Spec
from lightkube.models.authorization_v1 import ResourceAttributes, SelfSubjectAccessReviewSpec
from lightkube.resources.authentication_v1 import SelfSubjectReview
from lightkube.resources.authorization_v1 import SelfSubjectAccessReview
from lightkube.resources.core_v1 import Namespace

from atelier_cli.doctor.cluster import Cluster, NoCluster
from atelier_cli.doctor.diagnosis import Diagnosis, missing, ok, warning
from atelier_cli.doctor.katib import Configuration, configuration

INJECTION = "katib.kubeflow.org/metrics-collector-injection"
ENFORCE = "pod-security.kubernetes.io/enforce"
CREATED = (
    "experiments.kubeflow.org",
    "jobs.batch",
    "deployments.apps",
    "services",
    "configmaps",
    "secrets",  # Helm's record of the release
    "serviceaccounts",
    "persistentvolumeclaims",
    "roles.rbac.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
)
"""What an installation of the chart creates."""
VERBS = "create,get,list,watch,update,patch,delete"


def check_labels(cluster: Cluster, katib_namespace: str, spec: Spec | None) -> Iterator[Diagnosis]:
    """Whether Katib may work in the namespace, and its containers may start there. NoCluster if there is no such namespace."""
    found = cluster.find(Namespace, cluster.namespace)
    if found is None:
        make = f"{cluster.kubectl} create namespace {cluster.namespace}"
        raise NoCluster(
            f"--namespace: {cluster.namespace!r} is not in the cluster of context {cluster.context!r}; to make it: {make}"
        )
    labels = (found.metadata and found.metadata.labels) or {}
    label = f"{cluster.kubectl} label --overwrite namespace {cluster.namespace}"
    if labels.get(INJECTION) == "enabled":
        yield ok("namespace label", f"{cluster.namespace} has {INJECTION}=enabled")
    else:
        text = f"{cluster.namespace} is without {INJECTION}=enabled: Katib refuses Experiments there"
        yield missing("namespace label", text, f"{label} {INJECTION}=enabled")
    if labels.get(ENFORCE) == "restricted":
        refused = _refused_by_restricted(configuration(cluster, katib_namespace), spec)
        if refused:
            text = f"{cluster.namespace} enforces restricted, which refuses {' and '.join(refused)}"
            yield warning("pod security", text, f"{label} {ENFORCE}=baseline")
        else:
            yield ok(
                "pod security",
                f"{cluster.namespace} enforces restricted, and katib-config gives its containers what that asks for",
            )


def _refused_by_restricted(known: Configuration | None, spec: Spec | None) -> list[str]:
    """Which of Katib's containers come without a security context."""
    if known is None:
        return ["Katib's containers"]
    refused = (
        []
        if known.init.controller.inject_security_context
        else ["the sidecar of trials (init.controller.injectSecurityContext)"]
    )
    if spec is not None:
        name = spec.experiment.algorithm.algorithm_name
        suggestion = known.suggestion(name)
        if suggestion is not None and not suggestion.security_context:
            refused.append(f"the suggestion pod (runtime.suggestions, {name}: securityContext)")
        if spec.experiment.early_stopping.algorithm_name == "medianstop":
            refused.append("medianstop, which has no security context at all")
    return refused


def check_rights(cluster: Cluster, claim: str) -> Iterator[Diagnosis]:
    """Whether one may create what an installation creates; the claim is not, if it is there already."""
    wanted = [name for name in CREATED if not (claim and name == "persistentvolumeclaims")]
    refused = [name for name in wanted if not _may_create(cluster, name)]
    if not refused:
        yield ok("rights", f"you may create all that the chart creates in {cluster.namespace}")
        return
    within = f"{cluster.kubectl} -n {cluster.namespace} create"
    # all of it, and trials: nobody may give the extractor's Role what they have not
    role = f"{within} role atelier --verb={VERBS} --resource={','.join([*CREATED, 'trials.kubeflow.org'])}"
    yield missing(
        "rights",
        f"you may not create {', '.join(refused)} in {cluster.namespace}; an administrator may let you",
        f"{role} && {within} rolebinding atelier --role=atelier --user={_user(cluster)}",
    )


def _may_create(cluster: Cluster, name: str) -> bool:
    resource, _, group = name.partition(".")
    asked = ResourceAttributes(namespace=cluster.namespace, verb="create", group=group, resource=resource)
    review = cluster.client.create(SelfSubjectAccessReview(spec=SelfSubjectAccessReviewSpec(resourceAttributes=asked)))
    return bool(review.status and review.status.allowed)


def _user(cluster: Cluster) -> str:
    """Who the API server takes us for."""
    try:
        status = cluster.client.create(SelfSubjectReview()).status
    except httpx2.HTTPStatusError:
        return "NAME"
    return (status and status.userInfo and status.userInfo.username) or "NAME"
