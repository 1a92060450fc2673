"""The namespace that a search runs in: its labels, and what the user may create there."""

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
"""The resources that an installation of the chart creates."""
VERBS = "create,get,list,watch,update,patch,delete"


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


def check_rights(cluster: Cluster, claim: str) -> Iterator[Diagnosis]:
    """Whether the user may create what an installation creates; it creates no claim if the profile names one."""
    wanted = [name for name in CREATED if not (claim and name == "persistentvolumeclaims")]
    refused = [name for name in wanted if not _may_create(cluster, name)]
    if not refused:
        yield ok("rights", f"you may create all that the chart creates in {cluster.namespace}")
        return
    within = f"{cluster.kubectl} -n {cluster.namespace} create"
    # all of it, and trials: nobody may give the extractor's Role a right that they do not have
    role = f"{within} role atelier --verb={VERBS} --resource={','.join([*CREATED, 'trials.kubeflow.org'])}"
    yield missing(
        "rights",
        f"you may not create {', '.join(refused)} in {cluster.namespace}; an administrator may let you",
        f"{role} && {within} rolebinding atelier --role=atelier --user={_user(cluster)}",
    )


def _may_create(cluster: Cluster, name: str) -> bool:
    resource, _, group = name.partition(".")
    attributes = ResourceAttributes(namespace=cluster.namespace, verb="create", group=group, resource=resource)
    spec = SelfSubjectAccessReviewSpec(resourceAttributes=attributes)
    review = cluster.client.create(SelfSubjectAccessReview(spec=spec))
    return bool(review.status and review.status.allowed)


def _user(cluster: Cluster) -> str:
    """The user's name, as the API server knows it."""
    try:
        status = cluster.client.create(SelfSubjectReview()).status
    except httpx2.HTTPStatusError:
        return "NAME"
    return (status and status.userInfo and status.userInfo.username) or "NAME"
