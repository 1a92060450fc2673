"""A release that is there is examined: each thing that keeps it from working is named with what to do about it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from atelier_cli.doctor.cluster import NoCluster, connect
from atelier_cli.doctor.examination import examine

from tests.support.clusters import (
    ACCOUNTS,
    CRON_JOBS,
    DEPLOYMENTS,
    EVENTS,
    EXPERIMENTS,
    JOBS,
    PODS,
    REPLICA_SETS,
    SUGGESTIONS,
    TRIALS,
    ApiServer,
    examined,
    listed,
)
from tests.support.searches import atelier

SEARCH = "digits-nas-0123abcd"
BORN = "2026-01-02T03:00:00Z"
SERVER, EXTRACTOR = "digits-atelier-server", f"{SEARCH}-extract-89f0c6"


def labels(component: str, release: str = "digits") -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "katib-nas-atelier",
        "app.kubernetes.io/instance": release,
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": "katib-nas-atelier",
    }


OF_KATIB = {"atelier/release": "digits", "katib.kubeflow.org/experiment": SEARCH}


def object_(
    name: str, labels: dict[str, str], spec: Any = None, status: Any = None, born: str = BORN
) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "team", "labels": labels, "creationTimestamp": born}
    return {"metadata": metadata, "spec": spec or {}, "status": status or {}}


def condition(kind: str, reason: str = "", message: str = "", status: str = "True") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def server(name: str = SERVER, release: str = "digits") -> dict[str, Any]:
    spec = {"selector": {"matchLabels": {}}, "template": {"metadata": {}, "spec": {"containers": []}}}
    return object_(name, labels("server", release), spec)


def pod(name: str, component: str, phase: str = "Running", **status: Any) -> dict[str, Any]:
    of_katib = OF_KATIB if component in ("trial", "suggestion") else {}
    ours = labels(component) if component != "suggestion" else {}
    return object_(name, ours | of_katib, {"containers": []}, {"phase": phase, **status})


def waits(container: str, reason: str, message: str = "", image: str = "a/b:1", **last: Any) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    about = {"name": container, "image": image, "imageID": "", "ready": False, "restartCount": 0}
    return about | {"state": state, "lastState": last}


def job(name: str, component: str, status: Any = None, born: str = BORN) -> dict[str, Any]:
    container = {"name": "promote", "args": ["--store=/store", f"--experiment={SEARCH}"]}
    return object_(name, labels(component), {"template": {"spec": {"containers": [container]}}}, status, born)


def event(kind: str, name: str, reason: str, message: str, at: str = "2026-01-02T03:30:00Z") -> dict[str, Any]:
    about = {"kind": kind, "name": name, "namespace": "team"}
    told = {"type": "Warning", "reason": reason, "message": message, "lastTimestamp": at}
    return {"metadata": {"name": f"{name}.{at}", "namespace": "team"}, "involvedObject": about, **told}


def experiment(*conditions: dict[str, str], born: str = BORN, name: str = SEARCH, **status: Any) -> dict[str, Any]:
    return object_(name, {"atelier/release": "digits"}, {}, {"conditions": list(conditions), **status}, born)


RUNNING = condition("Running", "ExperimentRunning", "Experiment is running")
SUCCEEDED = condition("Succeeded", "ExperimentMaxTrialsReached", "Experiment has succeeded")


@pytest.fixture
def installed(api: ApiServer) -> ApiServer:
    """A release at work: it serves, a trial runs, the extractor waits."""
    api.objects |= {
        DEPLOYMENTS: listed(server()),
        ACCOUNTS: listed(object_("digits-atelier-extractor", labels("extractor"))),
        PODS: listed(pod(f"{SERVER}-1", "server"), pod(f"{SEARCH}-a-1", "trial")),
        JOBS: listed(job(EXTRACTOR, "extractor", {"active": 1}), job(f"{SEARCH}-a", "trial", {"active": 1})),
        EXPERIMENTS: listed(experiment(RUNNING, trialsRunning=1)),
        SUGGESTIONS: listed(object_(SEARCH, OF_KATIB, {}, {"conditions": [condition("DeploymentReady")]})),
    }
    return api


def found(kubeconfig: Path, name: str | None = None) -> list[Any]:
    return [one for one in examine(connect(kubeconfig, None, None), None, release=name) if one.check == "release"]


def test_a_release_at_work_is_ok(installed: ApiServer, kubeconfig: Path) -> None:
    (release,) = found(kubeconfig)
    assert release.result == "ok"
    assert release.message == f"digits: search {SEARCH} (Running), 2 pods, none in trouble"


def test_without_a_release_there_is_nothing_to_examine(kubeconfig: Path) -> None:
    assert found(kubeconfig) == []


def test_of_several_releases_one_has_to_be_named(installed: ApiServer, kubeconfig: Path) -> None:
    installed.objects[DEPLOYMENTS] = listed(server(), server("other-atelier-server", "other"))
    (which,) = found(kubeconfig)
    assert (which.result, which.message) == ("warning", "team has several releases: digits, other")
    assert which.fix == "# name one with --release"
    assert found(kubeconfig, "digits")[0].result == "ok"
    assert "other: no search, 0 pods" in found(kubeconfig, "other")[0].message
    with pytest.raises(NoCluster, match="--release: namespace team has no release 'digit'; did you mean digits"):
        found(kubeconfig, "digit")
    assert atelier("doctor", "--kubeconfig", str(kubeconfig), "--release", "digit").returncode == 2
    assert atelier("doctor", "--kubeconfig", str(kubeconfig), "--release", "digits").returncode == 0


FORBIDDEN = 'pods "x-7q" is forbidden: failed quota: small: must specify limits.cpu for: server'
PULL = 'Failed to pull image "a/b:1": not found'
NO_NODE = "0/2 nodes are available: 2 Insufficient cpu."


@pytest.mark.parametrize(
    ("objects", "message", "fix"),
    [
        pytest.param(
            {
                REPLICA_SETS: [
                    object_(
                        f"{SERVER}-6864",
                        labels("server"),
                        {"replicas": 1, "selector": {}},
                        {"replicas": 0, "conditions": [condition("ReplicaFailure", "FailedCreate", FORBIDDEN)]},
                    )
                ]
            },
            f"ReplicaSet {SERVER}-6864: its pods are refused: failed quota: small: must specify limits.cpu for: server",
            "kubectl .*-n team describe resourcequotas,limitranges",
            id="refused by a quota",
        ),
        pytest.param(
            {
                JOBS: [job(EXTRACTOR, "extractor")],
                EVENTS: [
                    event(
                        "Job", EXTRACTOR, "FailedCreate", "Error creating: maximum memory usage per Container is 512Mi"
                    )
                ],
            },
            f"Job {EXTRACTOR}: its pods are refused: maximum memory usage per Container is 512Mi",
            "describe resourcequotas,limitranges",
            id="refused by a LimitRange",
        ),
        pytest.param(
            {
                JOBS: [job(EXTRACTOR, "extractor", {"active": 1}), job(f"{SEARCH}-b", "trial")],
                EVENTS: [
                    event("Job", f"{SEARCH}-b", "FailedCreate", 'pods "b-1" is forbidden: violates PodSecurity "r"')
                ],
            },
            f'Job {SEARCH}-b: its pods are refused: violates PodSecurity "r"',
            "label --overwrite namespace team pod-security.kubernetes.io/enforce=baseline",
            id="refused by pod security",
        ),
        pytest.param(
            {
                JOBS: [job(EXTRACTOR, "extractor", {"active": 1}), job(f"{SEARCH}-b", "trial")],
                EVENTS: [event("Job", f"{SEARCH}-b", "FailedCreate", "Error creating: failed calling webhook m")],
            },
            "its pods are refused: failed calling webhook m",
            "-n kubeflow rollout restart deployment/katib-controller",
            id="refused by a webhook",
        ),
        pytest.param(
            {
                PODS: [
                    pod(
                        f"{SEARCH}-{n}", "trial", "Pending", containerStatuses=[waits("trial", "ImagePullBackOff", "…")]
                    )
                    for n in "abcd"
                ],
                EVENTS: [event("Pod", f"{SEARCH}-{n}", "Failed", PULL) for n in "abcd"],
            },
            f"trial pod {SEARCH}-a, {SEARCH}-b, {SEARCH}-c and 1 more: image a/b:1 cannot be pulled: .*: {PULL}",
            "# bring it to the nodes or a registry .*trainer.image and imagePullSecrets",
            id="images of trials",
        ),
        pytest.param(
            {
                PODS: [
                    pod(
                        "s",
                        "server",
                        "Pending",
                        containerStatuses=[waits("server", "ErrImageNeverPull", "not present")],
                    )
                ]
            },
            "server pod s: image a/b:1 cannot be pulled: ErrImageNeverPull: not present",
            "check server.image",
            id="an image that is never pulled",
        ),
        pytest.param(
            {PODS: [pod("e", "extractor", "Pending", initContainerStatuses=[waits("finish", "ErrImagePull", "none")])]},
            "extractor pod e: image a/b:1 cannot be pulled",
            "check trainer.image",
            id="the trainer's image in the extractor",
        ),
        pytest.param(
            {
                PODS: [
                    pod(
                        "s-tpe",
                        "suggestion",
                        "Pending",
                        containerStatuses=[waits("suggestion", "ErrImagePull", "none")],
                    )
                ]
            },
            "suggestion pod s-tpe: image a/b:1 cannot be pulled",
            "# it is Katib's: .*choose an algorithm",
            id="the image of the algorithm",
        ),
        pytest.param(
            {
                PODS: [
                    pod(
                        "s",
                        "server",
                        "Pending",
                        containerStatuses=[waits("server", "CreateContainerConfigError", "no x")],
                    )
                ]
            },
            "server pod s: container server does not start: CreateContainerConfigError: no x",
            "describe pod s",
            id="a container that cannot be made",
        ),
        pytest.param(
            {
                PODS: [
                    pod(
                        "s",
                        "server",
                        containerStatuses=[
                            waits("server", "CrashLoopBackOff", terminated={"reason": "OOMKilled", "exitCode": 137})
                        ],
                    )
                ]
            },
            "server pod s: container server ends again and again: OOMKilled, exit code 137",
            "logs s -c server --previous",
            id="a container that ends",
        ),
        pytest.param(
            {
                PODS: [
                    pod(
                        "s",
                        "server",
                        "Pending",
                        conditions=[condition("PodScheduled", "Unschedulable", NO_NODE, "False")],
                    )
                ]
            },
            f"server pod s: no node takes it: {NO_NODE}",
            "# lower server.resources.requests, or add a node",
            id="no room",
        ),
        pytest.param(
            {
                PODS: [
                    pod(
                        "t",
                        "trial",
                        "Pending",
                        conditions=[
                            condition("PodScheduled", "Unschedulable", "1 node(s) had untolerated taint {gpu}", "False")
                        ],
                    )
                ]
            },
            "trial pod t: no node takes it: 1 node.s. had untolerated taint",
            "# change trainer.pod.nodeSelector, tolerations or affinity",
            id="a taint",
        ),
        pytest.param(
            {
                PODS: [
                    pod(
                        "e",
                        "extractor",
                        "Pending",
                        conditions=[
                            condition(
                                "PodScheduled", "Unschedulable", "unbound immediate PersistentVolumeClaims", "False"
                            )
                        ],
                    )
                ]
            },
            "extractor pod e: no node takes it: unbound",
            "describe persistentvolumeclaims",
            id="a claim without a volume",
        ),
        pytest.param(
            {
                PODS: [pod("s", "server", "Pending", containerStatuses=[waits("server", "ContainerCreating")])],
                EVENTS: [event("Pod", "s", "FailedMount", "MountVolume.SetUp failed")],
            },
            "Pod s: FailedMount: MountVolume.SetUp failed",
            "describe pod s",
            id="a volume that cannot be mounted",
        ),
        pytest.param(
            {
                JOBS: [
                    job(EXTRACTOR, "extractor", {"conditions": [condition("Failed", "DeadlineExceeded", "too long")]}),
                    job("older", "extractor", {"conditions": [condition("Complete")]}, born="2026-01-01T00:00:00Z"),
                ]
            },
            f"extractor's Job {EXTRACTOR}: failed, so nothing is promoted: DeadlineExceeded: too long",
            f"logs job/{EXTRACTOR} .*delete job {EXTRACTOR}  # then repeat helm upgrade",
            id="an extractor that failed",
        ),
        pytest.param(
            {JOBS: []},
            "extractor of digits: its Job is gone, so nobody waits for the search",
            "# repeat helm upgrade",
            id="an extractor that is gone",
        ),
        pytest.param(
            {
                EXPERIMENTS: [
                    experiment(condition("Failed", "ExperimentFailed", "max failed trial count has reached"))
                ],
                TRIALS: [
                    object_(
                        "a",
                        OF_KATIB,
                        {},
                        {"conditions": [condition("Failed", "TrialFailed", "Job has a backoff limit")]},
                    )
                ],
            },
            f"Experiment {SEARCH}: failed: max failed trial count has reached; Job has a backoff limit",
            f"exec deployment/{SERVER} -- sh -c 'tail -n 5 /store/trials/",
            id="a search that failed",
        ),
    ],
)
def test_what_keeps_a_release_from_working_is_named(
    installed: ApiServer, kubeconfig: Path, objects: dict[str, Any], message: str, fix: str
) -> None:
    installed.objects |= {path: listed(*items) for path, items in objects.items()}
    (release,) = found(kubeconfig)
    assert release.result == "missing"
    assert re.search(message.replace("(", r"\("), release.message), release.message
    assert re.search(fix, release.fix), release.fix


@pytest.mark.parametrize(
    "said",
    [
        "rpc error: code = Internal desc = Same parameter is not found for Trial: {8 1 8 Complete}",
        "rpc error: code = Unknown desc = Exception calling application: An unknown trial has been passed",
    ],
)
def test_a_search_whose_suggestion_service_has_forgotten_the_trials_is_named(
    installed: ApiServer, kubeconfig: Path, said: str
) -> None:
    installed.objects[EXPERIMENTS] = listed(experiment(RUNNING, trialsSucceeded=3))
    installed.objects[EVENTS] = listed(
        event("Suggestion", SEARCH, "ReconcileError", said),
        event("Suggestion", SEARCH, "ReconcileError", "rpc error: code = Unavailable", at="2026-01-02T03:40:00Z"),
    )
    (stuck,) = found(kubeconfig)
    assert stuck.result == "missing"
    assert "the suggestion service was replaced and has forgotten the trials" in stuck.message
    assert f"-n team delete experiment {SEARCH}  # unless the extractor has done so within two minutes" in stuck.fix
    # Events of an Experiment of this name that was there before say nothing of this one
    installed.objects[EXPERIMENTS] = listed(experiment(RUNNING, trialsSucceeded=3, born="2026-01-02T03:35:00Z"))
    (slow,) = found(kubeconfig)
    assert (slow.result, slow.message) == (
        "warning",
        f"Experiment {SEARCH}: no trial runs: ReconcileError: rpc error: code = Unavailable",
    )
    # nor do Events of one whose trials run, or that is over
    for one in (experiment(RUNNING, trialsRunning=1), experiment(SUCCEEDED)):
        installed.objects[EXPERIMENTS] = listed(one)
        assert [release.result for release in found(kubeconfig)] == ["ok"]


def test_a_suggestion_service_that_does_not_run_is_named(installed: ApiServer, kubeconfig: Path) -> None:
    installed.objects[EXPERIMENTS] = listed(experiment(RUNNING))
    unready = condition("DeploymentReady", "DeploymentNotReady", "Deployment is not ready", "False")
    installed.objects[SUGGESTIONS] = listed(object_(SEARCH, OF_KATIB, {}, {"conditions": [unready]}))
    (slow,) = found(kubeconfig)
    assert slow.result == "warning"
    assert "no trial runs: the suggestion service does not run (Deployment is not ready)" in slow.message
    assert f"describe experiment,suggestion {SEARCH}" in slow.fix


def test_an_experiment_that_katib_has_not_seen_points_to_its_controller(installed: ApiServer, kubeconfig: Path) -> None:
    installed.objects[EXPERIMENTS] = listed(experiment())
    (unseen,) = found(kubeconfig)
    assert "Katib has not begun with it" in unseen.message
    assert unseen.fix.endswith("-n kubeflow rollout restart deployment/katib-controller")


def test_the_search_that_the_extractor_waits_for_is_the_one_that_counts(installed: ApiServer, kubeconfig: Path) -> None:
    failed = condition("Failed", "ExperimentFailed", "max failed trial count has reached")
    newer = experiment(failed, name="digits-nas-ffffffff", born="2026-02-02T03:00:00Z")
    installed.objects[EXPERIMENTS] = listed(experiment(RUNNING, trialsRunning=1), newer)
    assert [release.result for release in found(kubeconfig)] == ["ok"]
    installed.objects[JOBS] = listed()
    assert "digits-nas-ffffffff: failed" in found(kubeconfig)[0].message


def test_a_trial_that_waits_for_another_ones_place_is_a_warning(installed: ApiServer, kubeconfig: Path) -> None:
    unscheduled = condition("PodScheduled", "Unschedulable", NO_NODE, "False")
    installed.objects[PODS] = listed(pod("a", "trial"), pod("b", "trial", "Pending", conditions=[unscheduled]))
    (later,) = found(kubeconfig)
    assert (later.result, later.message) == ("warning", f"trial pod b: no node takes it: {NO_NODE}")
    assert later.fix == "# lower trainer.resources.requests or experiment.parallelTrialCount, or add a node"


def test_what_is_over_or_starts_by_itself_is_no_trouble(installed: ApiServer, kubeconfig: Path) -> None:
    waiting = {"state": {"running": {}}, "name": "wait", "image": "a", "imageID": "", "ready": True, "restartCount": 0}
    installed.objects[PODS] = listed(
        pod("done", "trial", "Succeeded", containerStatuses=[waits("trial", "ErrImagePull")]),
        pod("extract", "extractor", "Pending", initContainerStatuses=[waiting, waits("finish", "PodInitializing")]),
        pod("new", "server", "Pending", containerStatuses=[waits("server", "ContainerCreating")]),
    )
    installed.objects[EVENTS] = listed(
        event("Pod", "extract", "FailedMount", "a while ago"),
        event("Job", f"{SEARCH}-a", "FailedCreate", "exceeded quota, a while ago"),
        event("Pod", "another-releases", "FailedMount", "not ours"),
    )
    assert [release.result for release in found(kubeconfig)] == ["ok"]


def test_a_cron_job_or_no_extractor_at_all_is_no_trouble(installed: ApiServer, kubeconfig: Path) -> None:
    installed.objects[JOBS] = listed()
    spec = {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": {"spec": {"containers": []}}}}}
    installed.objects[CRON_JOBS] = listed(object_("digits-atelier-extractor", labels("extractor"), spec))
    assert found(kubeconfig)[0].result == "ok"
    installed.objects |= {CRON_JOBS: listed(), ACCOUNTS: listed()}
    assert found(kubeconfig)[0].result == "ok"


def test_a_job_that_is_gone_after_the_end_of_the_search_may_have_promoted(
    installed: ApiServer, kubeconfig: Path
) -> None:
    installed.objects |= {JOBS: listed(), EXPERIMENTS: listed(experiment(SUCCEEDED))}
    (gone,) = found(kubeconfig)
    assert gone.result == "warning" and "whether it promoted the winner" in gone.message


@pytest.mark.parametrize("path", [DEPLOYMENTS, PODS, EVENTS, EXPERIMENTS])
def test_a_release_that_may_not_be_seen_is_a_warning(
    installed: ApiServer, kubeconfig: Path, profile: Path, path: str
) -> None:
    installed.forbidden = {path}
    (unseen,) = [one for one in examined(kubeconfig, profile) if one.result != "ok"]
    assert (unseen.check, unseen.result) == ("release", "warning")
    assert unseen.message.startswith("you may not look: ")
