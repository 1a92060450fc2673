"""A release that is there already: what is wrong with its pods, its search and its extractor, and what Events say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from lightkube.models.batch_v1 import JobCondition
from lightkube.resources.apps_v1 import Deployment, ReplicaSet
from lightkube.resources.batch_v1 import CronJob, Job
from lightkube.resources.core_v1 import Event, Pod, ServiceAccount

from atelier_cli.doctor import katib
from atelier_cli.doctor.cluster import Cluster, Named, NoCluster, name_of
from atelier_cli.profile.findings import allowed

PART_OF = {"app.kubernetes.io/part-of": "katib-nas-atelier", "app.kubernetes.io/component": "server"}
"""Labels of a Deployment that every release has."""
INSTANCE, COMPONENT = "app.kubernetes.io/instance", "app.kubernetes.io/component"
OF_SEARCH, OF_EXPERIMENT = "atelier/release", "katib.kubeflow.org/experiment"
"""Labels of what Katib makes for the search of a release, and for an Experiment."""
LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Warned:
    """A Warning among the Events."""

    at: datetime
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


@dataclass(frozen=True)
class Search:
    """An Experiment, and what Katib made for it: the status of each."""

    name: str
    created: datetime
    status: dict[str, Any]
    suggestion: dict[str, Any]
    trials: list[dict[str, Any]]

    def condition(self, kind: str) -> dict[str, Any] | None:
        """The condition of this type, if it is in force."""
        return condition(self.status, kind)

    @property
    def is_over(self) -> bool:
        return bool(self.condition("Succeeded") or self.condition("Failed"))

    @property
    def running(self) -> int:
        return int(self.status.get("trialsRunning") or 0)


@dataclass(frozen=True)
class Release:
    """The objects of a release; Warnings by "KIND/NAME", the newest first."""

    name: str
    cluster: Cluster
    katib_namespace: str
    deployments: list[Deployment]
    replica_sets: list[ReplicaSet]
    pods: list[Pod]
    jobs: list[Job]
    cron_jobs: list[CronJob]
    has_extractor: bool
    search: Search | None
    warnings: dict[str, list[Warned]]

    def warned(self, kind: str, name: str) -> list[Warned]:
        return self.warnings.get(f"{kind}/{name}", [])

    @property
    def kubectl(self) -> str:
        """The command line of kubectl for the namespace of the release."""
        return f"{self.cluster.kubectl} -n {self.cluster.namespace}"

    @property
    def extractor(self) -> Job | None:
        """The newest Job that promotes."""
        ours = [job for job in self.jobs if labels_of(job).get(COMPONENT) == "extractor"]
        return max(ours, key=created_at, default=None)


def releases(cluster: Cluster) -> list[str]:
    """The names of the releases in the namespace."""
    servers = cluster.select(Deployment, PART_OF)
    return sorted({labels_of(server)[INSTANCE] for server in servers if INSTANCE in labels_of(server)})


def chosen(cluster: Cluster, there: list[str], name: str | None) -> str | None:
    """The release of this name, or the only one. NoCluster if there is none of the name."""
    if name is None:
        return there[0] if len(there) == 1 else None
    if name not in there:
        raise NoCluster(f"--release: namespace {cluster.namespace} has no release {name!r}; {allowed(there, name)}")
    return name


def read(cluster: Cluster, name: str, katib_namespace: str) -> Release:
    """All that the checks of a release look at."""
    ours, of_search = {INSTANCE: name}, {OF_SEARCH: name}
    pods = {name_of(pod): pod for labels in (ours, of_search) for pod in cluster.select(Pod, labels)}
    jobs, cron_jobs = cluster.select(Job, ours), cluster.select(CronJob, ours)
    return Release(
        name=name,
        cluster=cluster,
        katib_namespace=katib_namespace,
        deployments=cluster.select(Deployment, ours),
        replica_sets=[*cluster.select(ReplicaSet, ours), *cluster.select(ReplicaSet, of_search)],
        pods=list(pods.values()),
        jobs=jobs,
        cron_jobs=cron_jobs,
        has_extractor=bool(cluster.select(ServiceAccount, ours | {COMPONENT: "extractor"})),
        search=_search(cluster, name, _meant(jobs, cron_jobs)),
        warnings=_warnings(cluster),
    )


def condition(status: dict[str, Any], kind: str) -> dict[str, Any] | None:
    """The condition of this type, if it is in force."""
    conditions: list[dict[str, Any]] = status.get("conditions") or []
    return next((one for one in conditions if one.get("type") == kind and one.get("status") == "True"), None)


def ended(job: Job, kind: str) -> JobCondition | None:
    """How a Job ended: the condition Complete or Failed, if it is in force."""
    conditions = (job.status and job.status.conditions) or []
    return next((one for one in conditions if one.type == kind and one.status == "True"), None)


def labels_of(one: Named) -> dict[str, str]:
    """The labels of an object."""
    return (one.metadata and one.metadata.labels) or {}


def created_at(one: Named) -> datetime:
    """When an object was created."""
    return (one.metadata and one.metadata.creationTimestamp) or LONG_AGO


def _meant(jobs: list[Job], cron_jobs: list[CronJob]) -> str | None:
    """The Experiment that the newest extractor waits for; older ones are kept."""
    templates = [job.spec.template for job in sorted(jobs, key=created_at, reverse=True) if job.spec]
    templates += [one.spec.jobTemplate.spec.template for one in cron_jobs if one.spec and one.spec.jobTemplate.spec]
    for template in templates:
        for container in (template.spec and template.spec.containers) or []:
            for argument in container.args or []:
                if container.name == "promote" and argument.startswith("--experiment="):
                    return argument.partition("=")[2]
    return None


def _search(cluster: Cluster, release: str, meant: str | None) -> Search | None:
    """The search of a release: the one that is meant if it is there, or else the newest."""
    there = {one["metadata"]["name"]: one for one in _objects(cluster, "experiments", OF_SEARCH, release)}
    if not there:
        return None
    newest = max(there, key=lambda name: _created(there[name]))
    name = meant if meant is not None and meant in there else newest
    suggestions = {one["metadata"]["name"]: one for one in _objects(cluster, "suggestions", OF_SEARCH, release)}
    return Search(
        name=name,
        created=_created(there[name]),
        status=there[name].get("status") or {},
        suggestion=(suggestions.get(name) or {}).get("status") or {},
        trials=[one.get("status") or {} for one in _objects(cluster, "trials", OF_EXPERIMENT, name)],
    )


def _objects(cluster: Cluster, plural: str, label: str, value: str) -> list[dict[str, Any]]:
    """Objects of Katib; none if the cluster has no Katib."""
    selector = urlencode({"labelSelector": f"{label}={value}"})
    found = cluster.get(f"apis/{katib.API}/namespaces/{cluster.namespace}/{plural}?{selector}") or {}
    return list(found.get("items") or [])


def _created(one: dict[str, Any]) -> datetime:
    at = one["metadata"].get("creationTimestamp")
    return datetime.fromisoformat(at) if at else LONG_AGO


def _warnings(cluster: Cluster) -> dict[str, list[Warned]]:
    """The API server keeps Events for an hour."""
    found: dict[str, list[Warned]] = {}
    for event in cluster.client.list(Event, namespace=cluster.namespace, fields={"type": "Warning"}):
        at = event.lastTimestamp or event.eventTime or event.metadata.creationTimestamp or LONG_AGO
        warned = Warned(at, event.reason or "", event.message or "")
        found.setdefault(f"{event.involvedObject.kind}/{event.involvedObject.name}", []).append(warned)
    return {of: sorted(warned, key=lambda one: one.at, reverse=True) for of, warned in found.items()}
