"""What keeps a release from working, with what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from atelier_store.in_words import counted
from lightkube.models.core_v1 import ContainerStatus
from lightkube.resources.core_v1 import Pod

from atelier_cli.doctor.cluster import Cluster, Named, name_of
from atelier_cli.doctor.diagnosis import Diagnosis, missing, ok, warning
from atelier_cli.doctor.installed import (
    COMPONENT,
    Release,
    Search,
    Warned,
    chosen,
    condition,
    ended,
    labels_of,
    read,
    releases,
)
from atelier_cli.doctor.namespace import ENFORCE

CHECK = "release"
FORGOTTEN = ("Same parameter is not found for Trial", "An unknown trial has been passed")
"""How Katib's suggestion services (goptuna, optuna) answer once their pod was replaced: they keep trials in memory."""
NOT_PULLED = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError")
STARTING = ("ContainerCreating", "PodInitializing")
NOT_MOUNTED = ("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox")
BLOCKS = {"trial": "trainer", "server": "server", "extractor": "extractor", "board": "board", "inspector": "inspector"}
"""Blocks of the values by component."""
OF_TRAINER = ("trial", "finish")
"""Containers with the trainer's image."""
SHOWN = 3
"""Names, or Warnings, that a message lists."""


class Ailment(NamedTuple):
    """Why an object does not do what it should; of several with the same cause one is reported."""

    what: str
    cause: str
    fix: str
    is_fatal: bool = True


def check_release(cluster: Cluster, name: str | None, katib_namespace: str) -> Iterator[Diagnosis]:
    """What keeps the release of this name, or the only one that is there, from working. NoCluster if none has it."""
    there = releases(cluster)
    release_name = chosen(cluster, there, name)
    if release_name is None:
        if there:
            message = f"{cluster.namespace} has several releases: {', '.join(there)}"
            yield warning(CHECK, message, "# name one with --release")
        return
    release = read(cluster, release_name, katib_namespace)
    found = [*_refused(release), *_waiting(release), *_search(release), *_extractor(release)]
    alike: dict[Ailment, list[str]] = {}
    for what, ailment in found:
        alike.setdefault(ailment, []).append(what)
    for ailment, names in alike.items():
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        message = f"{ailment.what} {', '.join(names[:SHOWN])}{more}: {ailment.cause}"
        yield missing(CHECK, message, ailment.fix) if ailment.is_fatal else warning(CHECK, message, ailment.fix)
    if not found:
        yield ok(
            CHECK, f"{release.name}: {_state(release.search)}, {counted(len(release.pods), 'pod')}, none in trouble"
        )


Found = Iterator[tuple[str, Ailment]]
"""Names of objects with their ailments."""


# pods that are not there


def _refused(release: Release) -> Found:
    """Pods that the API server refuses, so that their ReplicaSet or Job has none."""
    for replicas in release.replica_sets:
        wanted = (replicas.spec and replicas.spec.replicas) or 0
        if wanted > ((replicas.status and replicas.status.replicas) or 0):
            conditions = (replicas.status and replicas.status.conditions) or []
            said = [c.message or "" for c in conditions if c.type == "ReplicaFailure" and c.status == "True"]
            yield from _refusal(release, "ReplicaSet", replicas, said)
    for job in release.jobs:
        status = job.status
        has_pods = status and (status.active or status.succeeded or status.failed)
        if not has_pods and not ended(job, "Complete") and not ended(job, "Failed"):
            yield from _refusal(release, "Job", job, [])


def _refusal(release: Release, kind: str, of: Named, said: list[str]) -> Found:
    name = name_of(of)
    said += [one.message for one in release.warned(kind, name) if one.reason == "FailedCreate"]
    if said:
        cause = re.sub(r'^.*?pods "[^"]*" is forbidden: |^.*?Error creating: ', "", said[0])
        yield name, Ailment(kind, f"its pods are refused: {cause}", _fix_of_refusal(release, cause))


def _fix_of_refusal(release: Release, cause: str) -> str:
    namespace = release.cluster.namespace
    if "PodSecurity" in cause:
        return f"{release.cluster.kubectl} label --overwrite namespace {namespace} {ENFORCE}=baseline"
    if "webhook" in cause:
        katib = f"{release.cluster.kubectl} -n {release.katib_namespace}"
        return f"{katib} rollout restart deployment/katib-controller"
    if "quota" in cause or " usage per " in cause or "limit to request ratio" in cause:
        return f"{release.kubectl} describe resourcequotas,limitranges  # with -f, the check quotas says what to set"
    return f"{release.kubectl} get events --field-selector reason=FailedCreate"


# pods that do not start


def _waiting(release: Release) -> Found:
    """Pods that have no node, or containers that do not start."""
    for pod in release.pods:
        status = pod.status
        is_going = pod.metadata is not None and pod.metadata.deletionTimestamp is not None
        if status is None or is_going or status.phase in ("Succeeded", "Failed"):
            continue
        unscheduled = [c for c in status.conditions or [] if (c.type, c.reason) == ("PodScheduled", "Unschedulable")]
        if unscheduled:
            yield name_of(pod), _unscheduled(release, pod, unscheduled[0].message or "Unschedulable")
            continue
        containers = [*(status.initContainerStatuses or []), *(status.containerStatuses or [])]
        troubled = [ailment for one in containers if (ailment := _unstarted(release, pod, one))]
        if troubled:
            yield name_of(pod), troubled[0]
        elif not any(one.state and (one.state.running or one.state.terminated) for one in containers):
            for one in release.warned("Pod", name_of(pod))[:1]:
                if one.reason in NOT_MOUNTED:
                    yield name_of(pod), Ailment("Pod", str(one), f"{release.kubectl} describe pod {name_of(pod)}")


def _unscheduled(release: Release, pod: Pod, cause: str) -> Ailment:
    component = labels_of(pod).get(COMPONENT, "suggestion")
    block = BLOCKS.get(component)
    fix = f"{release.kubectl} describe pod {name_of(pod)}"
    if "PersistentVolumeClaim" in cause or "persistentvolumeclaim" in cause:
        fix = f"{release.kubectl} describe persistentvolumeclaims"
    elif "Insufficient" in cause and block:
        fewer = " or experiment.parallelTrialCount" if component == "trial" else ""
        fix = f"# lower {block}.resources.requests{fewer}, or add a node"
    elif block and ("taint" in cause or "affinity" in cause or "selector" in cause):
        fix = f"# change {block}.pod.nodeSelector, tolerations or affinity"
    others_run = component == "trial" and release.search is not None and _run_elsewhere(release, pod)
    return Ailment(f"{component} pod", f"no node takes it: {cause}", fix, is_fatal=not others_run)


def _run_elsewhere(release: Release, pod: Pod) -> bool:
    """Whether another trial's pod runs; this one takes its place later."""
    trials = [one for one in release.pods if one is not pod and labels_of(one).get(COMPONENT) == "trial"]
    return any(one.status and one.status.phase == "Running" for one in trials)


def _unstarted(release: Release, pod: Pod, container: ContainerStatus) -> Ailment | None:
    state = container.state.waiting if container.state else None
    if state is None or state.reason in (None, *STARTING):
        return None
    name, component = name_of(pod), labels_of(pod).get(COMPONENT, "suggestion")
    said = state.message or ""
    if state.reason in NOT_PULLED:
        pulled = [
            one.message for one in release.warned("Pod", name) if container.image and container.image in one.message
        ]
        of_event = next((message for message in pulled if message.startswith("Failed to pull image")), said)
        cause = f"image {container.image} cannot be pulled: {state.reason}: {of_event}"
        return Ailment(f"{component} pod", cause, _fix_of_image(component, container))
    last = container.lastState.terminated if container.lastState else None
    if last is not None:
        logs = f"{release.kubectl} logs {name} -c {container.name} --previous"
        how = f"{last.reason or 'Error'}, exit code {last.exitCode}"
        return Ailment(f"{component} pod", f"container {container.name} ends again and again: {how}", logs)
    cause = f"container {container.name} does not start: {state.reason}: {said}"
    return Ailment(f"{component} pod", cause, f"{release.kubectl} describe pod {name}")


def _fix_of_image(component: str, container: ContainerStatus) -> str:
    """What to do where an image cannot be pulled."""
    if component not in BLOCKS or container.name == "metrics-logger-and-collector":
        other = ", or choose an algorithm of which it is there" if component not in BLOCKS else ""
        return f"# it is Katib's: bring it to the nodes{other} (docs/troubleshooting.md)"
    block = "trainer" if container.name in OF_TRAINER else "server"
    return f"# bring it to the nodes or a registry (docs/images.md), and check {block}.image and imagePullSecrets"


# the search


def _search(release: Release) -> Found:
    search = release.search
    if search is None:
        return
    if failed := search.condition("Failed"):
        trials = {str(one.get("message")) for trial in search.trials if (one := condition(trial, "Failed"))}
        causes = [str(failed.get("message") or failed.get("reason")), *sorted(trials)[:SHOWN]]
        server = next((name_of(one) for one in release.deployments), "SERVER")
        logs = f"{release.kubectl} exec deployment/{server} -- sh -c 'tail -n 5 /store/trials/*/trial.log'"
        yield search.name, Ailment("Experiment", f"failed: {'; '.join(causes)}", logs)
    elif not search.is_over and not search.running:
        yield from _standstill(release, search)


def _standstill(release: Release, search: Search) -> Found:
    """Why no trial runs, where something says it."""
    suggestion = release.warned("Suggestion", search.name)
    anew = f"{release.kubectl} delete experiment {search.name}"
    if _is_forgotten(search, suggestion):
        cause = "the suggestion service was replaced and has forgotten the trials: no further trial will start"
        is_watched = release.extractor is not None and not ended(release.extractor, "Failed")
        unless = "unless the extractor has done so within two minutes; " if is_watched else ""
        note = f"# {unless}then repeat helm upgrade: what is trained is found in the store"
        yield search.name, Ailment("Experiment", cause, f"{anew}  {note}")
        return
    if not search.status.get("conditions"):
        restart = f"{release.cluster.kubectl} -n {release.katib_namespace} rollout restart deployment/katib-controller"
        yield search.name, Ailment("Experiment", "Katib has not begun with it", restart, is_fatal=False)
        return
    about = [suggestion[:1], release.warned("Experiment", search.name)[:1]]
    told = [str(one) for of_it in about for one in of_it if one.at >= search.created]
    unready = _unready(search.suggestion)
    causes = ([f"the suggestion service does not run ({unready})"] if unready else []) + told
    if causes:
        describe = f"{release.kubectl} describe experiment,suggestion {search.name}"
        yield search.name, Ailment("Experiment", f"no trial runs: {'; '.join(causes)}", describe, is_fatal=False)


def _is_forgotten(search: Search, warned: list[Warned]) -> bool:
    """Whether this Experiment's service said so; Events of an earlier one of the same name are older than this one."""
    return any(one.at >= search.created and any(text in one.message for text in FORGOTTEN) for one in warned)


def _unready(suggestion: dict[str, object]) -> str:
    """Why Katib's Deployment for the suggestion service is not ready; empty if it is."""
    conditions = suggestion.get("conditions")
    for one in conditions if isinstance(conditions, list) else []:
        if one.get("type") == "DeploymentReady" and one.get("status") == "False":
            return str(one.get("message") or one.get("reason") or "not ready")
    return ""


# the extractor


def _extractor(release: Release) -> Found:
    if not release.has_extractor:
        return
    job = release.extractor
    if job is None:
        if not release.cron_jobs:
            is_over = release.search is not None and release.search.is_over
            cause = "its Job is gone, so nobody waits for the search to promote its winner"
            if is_over:
                cause = "its Job is gone; whether it promoted the winner of the search, the store's history says"
            yield (
                release.name,
                Ailment("extractor of", cause, "# repeat helm upgrade: it makes the Job again", not is_over),
            )
        return
    if failed := ended(job, "Failed"):
        name = name_of(job)
        said = [str(one) for one in release.warned("Job", name)[:1] if one.reason != failed.reason]
        why = ": ".join([failed.reason or "Failed", *([failed.message] if failed.message else []), *said])
        log = f"{release.kubectl} logs job/{name} --all-containers --tail=20"
        if failed.reason == "DeadlineExceeded":
            why += " (extractor.timeoutSeconds)"
        fix = f"{log}; {release.kubectl} delete job {name}  # then repeat helm upgrade: it makes the Job again"
        yield name, Ailment("extractor's Job", f"failed, so nothing is promoted: {why}", fix)


def _state(search: Search | None) -> str:
    if search is None:
        return "no search"
    how = next((kind for kind in ("Succeeded", "Failed", "Running") if search.condition(kind)), "new")
    return f"search {search.name} ({how})"
