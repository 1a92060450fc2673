"""What breaks in a release of its own while its search runs: pods, networks, memory and disks."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cluster_access import (
    EPOCHS,
    EXPERIMENT,
    EXTRACTOR,
    LONGER,
    MINUTES,
    MODEL,
    ONE_SHORT_TRIAL,
    OURS,
    STORE,
    TRIALS,
    Release,
    a_claim,
    a_release,
    condition,
    epochs_trained,
    eventually,
    ours_only,
    run,
    running_trial,
    was_resumed,
)
from tests.support import ROOT


def test_a_trial_that_is_evicted_goes_on_from_its_checkpoint() -> None:
    """By the eviction API, as when a node is drained: its Job does not count an evicted pod as a failure."""
    with a_release() as release:
        release.upgrade("extractor.mode=none", values=LONGER, flags=("--wait", "--timeout=10m"))
        pod, where = running_trial(release), release.namespace
        # Katib's shell does not pass SIGTERM on: SIGKILL ends the trial when the grace period is over.
        where.evict(pod)
        status = release.search_ends()
        assert (status["trialsSucceeded"], status.get("trialsFailed", 0)) == (1, 0)
        assert was_resumed(release)
        (card,) = release.store(STORE)["trials"].values()
        assert (card["status"], card["epochs"]) == ("succeeded", EPOCHS)


def test_a_trial_whose_pod_is_deleted_fails_alone_and_the_next_search_resumes_it() -> None:
    """Katib cannot know that it was no fault of the trial; what it trained is not lost."""
    with a_release() as release:
        release.upgrade(
            "extractor.mode=none", "experiment.maxFailedTrialCount=1", values=LONGER, flags=("--wait", "--timeout=10m")
        )
        release.namespace.kubectl("delete", "pod", running_trial(release), "--grace-period=1")
        status = release.search_ends("Failed", 3 * MINUTES)
        assert status["trialsFailed"] == 1
        assert 2 <= epochs_trained(release) < EPOCHS
        release.upgrade("extractor.mode=none", "experiment.name=again", values=LONGER)
        assert release.search_ends()["trialsSucceeded"] == 1
        assert was_resumed(release)


def test_a_search_survives_a_drained_node_and_more_evictions_of_its_extractor() -> None:
    """Katib's service forgets the trials, and Katib asks it in vain for ever: the extractor starts the search anew."""
    with a_release() as release:
        where = release.namespace
        one_by_one = {
            "trainer": {"maxEpochs": 2, "tailEpochs": 0},
            "experiment": {"parallelTrialCount": 1, "maxTrialCount": 4},
        }
        release.upgrade("extractor.mode=job", values=one_by_one, flags=("--wait", "--timeout=10m"))

        def succeeded() -> bool:
            (experiment,) = where.get(EXPERIMENT, release.experiment)
            return bool(experiment["status"].get("trialsSucceeded"))

        eventually(succeeded, 3 * MINUTES, "a first trial")
        seen = where.names("pods")
        where.drain()
        for _ in range(2):  # its Job would end with the third failure; it waits longer before each new pod
            (pod,) = eventually(
                lambda: where.names("pods", EXTRACTOR) - seen, 2 * MINUTES, "another pod of the extractor"
            )
            seen.add(pod)
            where.evict(pod)
        release.search_ends(seconds=6 * MINUTES)
        release.server_is_ready()  # a forwarded port stays with the pod that it was opened to
        with release.client() as client:
            assert release.model_of(release.experiment, client, 6 * MINUTES)
        assert release.search_ends()["trialsSucceeded"] == 4


HELD: dict[str, Any] = {
    "experiment": {
        **ONE_SHORT_TRIAL["experiment"],
        "parameters": [{"name": "width", "parameterType": "int", "feasibleSpace": {"min": 8, "max": 64}}],
    },
    "trainer": {
        **ONE_SHORT_TRIAL["trainer"],
        "network": "held_network:build",
        "modules": {"held_network.py": (Path(__file__).parent / "held_network.py").read_text()},
    },
}
"""A search whose one trial begins to train when /tmp/go is there."""
EVICTIONS = 10


def restart_controllers() -> None:
    """Kubernetes' own, which so forget how often a Job's pods have failed."""
    again = "processes.stop('kube-controller-manager'); processes.ensure(control_plane.controller_manager())"
    command = [sys.executable, "-c", f"from tools.cluster import control_plane, processes; {again}"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


@pytest.mark.alone  # it restarts what other tests' Jobs and pods wait for
@ours_only
def test_an_extractor_that_is_evicted_ten_times_promotes_when_the_search_ends() -> None:
    """Before its search's trial runs, and while it does.

    A Job waits twice as long before each next pod, up to 10 minutes from the start of the last one. That costs nothing
    where days lie between evictions; here its controller is restarted instead.
    """
    with a_release() as release:
        where = release.namespace
        release.upgrade("extractor.mode=job", values=HELD, flags=("--wait", "--timeout=10m"))
        evicted: set[str] = set()

        def another() -> str | None:
            """A pod of the extractor that was not evicted; from the fourth on one that waits for the search."""
            for pod in where.get("pods", selector=EXTRACTOR):
                wait: dict[str, Any] = next(iter(pod["status"].get("initContainerStatuses", [])), {})
                if pod["metadata"]["name"] in evicted or not pod["spec"].get("nodeName"):
                    continue
                if len(evicted) < 3 or "running" in wait.get("state", {}):
                    name: str = pod["metadata"]["name"]
                    return name
            return None

        while len(evicted) < EVICTIONS:
            pod = eventually(another, 2 * MINUTES, f"pod {len(evicted) + 1} of the extractor")
            evicted.add(pod)
            where.evict(pod)
            restart_controllers()
        eventually(lambda: MODEL in release.store(STORE)["searches"], 2 * MINUTES, "another pod that waits")
        assert release.store(STORE)["searches"][MODEL]["state"] == "running"
        (trial,) = eventually(lambda: ready(release, TRIALS), 3 * MINUTES, "the trial")
        where.kubectl("exec", trial, "--container=trial", "--", "touch", "/tmp/go")
        assert release.search_ends()["trialsSucceeded"] == 1
        with release.client() as client:
            assert release.model_of(release.experiment, client)
        (job,) = where.get("jobs", selector=EXTRACTOR)
        assert not job["status"].get("failed"), "an eviction is no failure"


def ready(release: Release, selector: str) -> list[str]:
    """The names of the ready pods with this label."""
    pods = release.namespace.get("pods", selector=selector)
    return [one["metadata"]["name"] for one in pods if condition(one, "Ready")]


def test_trials_that_diverge_or_take_too_much_memory_fail_alone() -> None:
    """A user's network also prints a NaN as if it were a metric: Katib never reads it, and the sound trials win."""
    with a_release() as release:
        release.namespace.kubectl(
            "create", "configmap", "faulty", f"--from-file={Path(__file__).parent / 'faulty_network.py'}"
        )
        faulty = {
            "experiment": {
                "maxTrialCount": 6,
                "maxFailedTrialCount": 6,
                # sobol's first three points lie in three different thirds
                "parameters": [
                    {
                        "name": "fault",
                        "parameterType": "categorical",
                        "feasibleSpace": {"list": ["none", "nan", "memory"]},
                    },
                    {"name": "width", "parameterType": "int", "feasibleSpace": {"min": 8, "max": 64}},
                ],
            },
            "trainer": {
                "maxEpochs": 2,
                "tailEpochs": 0,
                "network": "faulty_network:build",
                "pod": {
                    "env": [{"name": "PYTHONPATH", "value": "/networks"}],
                    "volumes": [{"name": "networks", "configMap": {"name": "faulty"}}],
                    "volumeMounts": [{"name": "networks", "mountPath": "/networks"}],
                },
            },
        }
        release.upgrade(values=faulty)
        status = release.search_ends()
        records = release.store(STORE)["records"][release.experiment].values()
        faults = [record["params"]["fault"] for record in records]
        assert {"none", "nan", "memory"} <= set(faults)
        assert status["trialsSucceeded"] == faults.count("none")
        assert "nan" not in json.dumps(status["currentOptimalTrial"]["observation"]).lower()
        cards = release.store(STORE)["trials"]
        for record in records:
            card = cards[record["key"]]
            expected = {"none": "succeeded", "nan": "failed", "memory": "running"}[record["params"]["fault"]]
            assert card["status"] == expected, (record, card)
            assert record["params"]["fault"] != "nan" or "diverged" in card["reason"]
        with release.client() as client:
            promoted = release.model_of(release.experiment, client)["promotion"]
        assert next(record for record in records if record["key"] == promoted["key"])["params"]["fault"] == "none"


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of this machine, and so of the node, that is soon full."""
    folder = OURS / "small-disk"
    folder.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=160k,mode=777", "tmpfs", folder)
    try:
        yield folder
    finally:
        run("umount", "--lazy", folder)  # pods of the release may still be ending
        folder.rmdir()


@ours_only
def test_a_full_store_stops_the_search_with_its_reason_and_room_lets_it_go_on(small_disk: Path) -> None:
    with (
        a_release() as release,
        a_claim(release.namespace, "small", {"hostPath": {"path": str(small_disk), "type": "Directory"}}),
    ):
        short = {"trainer": {"tailEpochs": 0}, "experiment": {"maxTrialCount": 2, "maxFailedTrialCount": 1}}
        release.upgrade("storage.existingClaim=small", values=short, flags=("--wait", "--timeout=10m"))
        release.search_ends("Failed", 3 * MINUTES)
        logs = " ".join(map(release.namespace.logs, release.namespace.names("pods", TRIALS)))
        with release.client() as client:
            assert client.get("/v2/health/ready").status_code == 200
        run("mount", "-o", "remount,size=64m", small_disk)
        release.upgrade("storage.existingClaim=small", "experiment.name=roomy", values=short)
        assert release.search_ends()["trialsSucceeded"] == 2, logs
        with release.client() as client:
            assert release.model_of(release.experiment, client)
