"""What the user has to be allowed, so that Helm can install and upgrade all that the values turn on."""

from __future__ import annotations

from collections.abc import Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import httpx2
from lightkube.models.authorization_v1 import ResourceAttributes, SelfSubjectAccessReviewSpec
from lightkube.models.meta_v1 import Status
from lightkube.resources.authentication_v1 import SelfSubjectReview
from lightkube.resources.authorization_v1 import SelfSubjectAccessReview

from atelier_cli.doctor import monitoring
from atelier_cli.doctor.cluster import Cluster
from atelier_cli.doctor.diagnosis import Diagnosis, missing, ok
from atelier_cli.profile.merging import Values, find

CHECK = "rights"
HELM = ("create", "get", "patch", "delete")
"""What Helm does with every object of a release."""
RECORDS = ("create", "get", "list", "update", "delete")
"""What Helm does with Secrets, its records of a release."""
AWAITED = ("list", "watch")
"""What Helm does besides with the Job of a hook."""
ROLES = "roles.rbac.authorization.k8s.io"
GRANTED = {
    "experiments.kubeflow.org": ("get", "list", "watch", "create", "delete"),
    "suggestions.kubeflow.org": ("get",),
    "trials.kubeflow.org": ("get", "list", "watch"),
    "events": ("list",),
}
"""What the extractor's Role grants."""
VERBS = "create,get,list,watch,update,patch,delete"
AT_ONCE = 8
"""Questions that are asked at the same time; there are dozens."""


class Right(NamedTuple):
    """A verb on a resource. The resource is written as `kubectl auth can-i` takes it: jobs.batch."""

    resource: str
    verb: str


def check_rights(cluster: Cluster, values: Values) -> Iterator[Diagnosis]:
    """Whether the user may do all that Helm does with a profile of these values, and give the extractor its rights."""
    needed = _needed(rendered(values) - _skipped(cluster, values), values)
    granted = _rights(GRANTED) if ROLES in {right.resource for right in needed} else set()
    lacked = lacking(cluster, needed)
    beyond = lacking(cluster, granted - needed)
    if beyond and not lacking(cluster, {Right(ROLES, "escalate"), Right(ROLES, "bind")}):
        beyond = set()
    if not lacked and not beyond:
        yield ok(CHECK, f"you may create and change all that the chart creates in {cluster.namespace}")
        return
    refused = [f"{_listed(lacked)} in {cluster.namespace}"] if lacked else []
    if beyond:
        refused.append(
            f"{_listed(beyond)}, so not grant it to the extractor either: nobody may give what they have not"
        )
    within = f"{cluster.kubectl} -n {cluster.namespace} create"
    resources = ",".join(sorted({right.resource for right in needed | granted}))
    yield missing(
        CHECK,
        f"you may not {'; nor '.join(refused)}; an administrator may let you",
        f"{within} role atelier --verb={VERBS} --resource={resources}"
        f" && {within} rolebinding atelier --role=atelier --user={_user(cluster)}",
    )


def rendered(values: Values) -> Set[str]:
    """The resources that the chart creates with these values."""
    searches = find(values, "experiment.enabled") is not False
    mode = find(values, "extractor.mode") if searches else "none"
    scraped, alerted = (find(values, f"monitoring.{key}.enabled") for key in monitoring.KINDS)
    is_on = {
        "deployments.apps": True,
        "services": True,
        "serviceaccounts": True,
        "persistentvolumeclaims": not find(values, "storage.existingClaim"),
        "experiments.kubeflow.org": searches,
        "configmaps": searches
        or find(values, "monitoring.dashboard.enabled")
        or find(values, "server.signedBy.publicKey"),
        "jobs.batch": mode in ("job", "hook") or find(values, "inspector.enabled"),
        "cronjobs.batch": mode == "cronjob",
        ROLES: mode != "none",
        "rolebindings.rbac.authorization.k8s.io": mode != "none",
        "ingresses.networking.k8s.io": find(values, "server.ingress.enabled"),
        "httproutes.gateway.networking.k8s.io": find(values, "server.httpRoute.enabled"),
        "horizontalpodautoscalers.autoscaling": find(values, "server.autoscaling.enabled"),
        "poddisruptionbudgets.policy": find(values, "server.podDisruptionBudget.enabled"),
        "networkpolicies.networking.k8s.io": find(values, "networkPolicy.enabled"),
        "servicemonitors.monitoring.coreos.com": scraped,
        "prometheusrules.monitoring.coreos.com": alerted,
        "resourcequotas": find(values, "quota.enabled"),
        "limitranges": find(values, "quota.enabled"),
    }
    return {resource for resource, on in is_on.items() if on}


def _skipped(cluster: Cluster, values: Values) -> Set[str]:
    """The resources that are turned on, and left out since the cluster does not serve them."""
    if find(values, "monitoring.renderMode") != "skipIfMissing":
        return set()
    group = monitoring.API.partition("/")[0]
    return {f"{plural}.{group}" for plural in cluster.lacking(monitoring.API, monitoring.KINDS.values())}


def _needed(resources: Set[str], values: Values) -> Set[Right]:
    """What Helm needs for a release of these resources."""
    needed = _rights(dict.fromkeys(resources, HELM)) | _rights({"secrets": RECORDS})
    if "jobs.batch" in resources and find(values, "extractor.mode") == "hook":
        needed |= _rights({"jobs.batch": AWAITED})
    return needed


def _rights(verbs: dict[str, tuple[str, ...]]) -> Set[Right]:
    return {Right(resource, verb) for resource, of_it in verbs.items() for verb in of_it}


def lacking(cluster: Cluster, rights: Set[Right], namespace: str | None = None) -> Set[Right]:
    """Those of the rights that the user does not have in a namespace; the cluster's if left out."""
    # Lightkube's msgspec looks a type up at its first use, and crashes (SIGSEGV) where two threads do so at once.
    SelfSubjectAccessReview.from_dict({"spec": {}})
    Status.from_dict({})
    asked = sorted(rights)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda right: _may(cluster, right, namespace or cluster.namespace), asked))
    return {right for right, may in zip(asked, answers, strict=True) if not may}


def _may(cluster: Cluster, right: Right, namespace: str) -> bool:
    resource, _, group = right.resource.partition(".")
    attributes = ResourceAttributes(namespace=namespace, verb=right.verb, group=group, resource=resource)
    spec = SelfSubjectAccessReviewSpec(resourceAttributes=attributes)
    review = cluster.client.create(SelfSubjectAccessReview(spec=spec))
    return bool(review.status and review.status.allowed)


def _listed(rights: Set[Right]) -> str:
    """`create, patch roles, experiments; list events`: resources with the same verbs together."""
    verbs: dict[str, list[str]] = {}
    for right in sorted(rights):
        verbs.setdefault(right.resource, []).append(right.verb)
    resources: dict[str, list[str]] = {}
    for resource, of_it in verbs.items():
        resources.setdefault(", ".join(of_it), []).append(resource)
    return "; ".join(f"{of_them} {', '.join(together)}" for of_them, together in resources.items())


def _user(cluster: Cluster) -> str:
    """The user's name, as the API server knows it."""
    try:
        status = cluster.client.create(SelfSubjectReview()).status
    except httpx2.HTTPStatusError:
        return "NAME"
    return (status and status.userInfo and status.userInfo.username) or "NAME"
