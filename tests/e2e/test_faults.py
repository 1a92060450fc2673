"""What breaks in a real cluster while a search runs: pods, processes, memory, disks and networks, each alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cluster_access import (
    EXTRACTOR,
    MINUTES,
    MODEL,
    OURS,
    ROOT,
    STORE,
    TRIALS,
    Namespace,
    Release,
    a_claim,
    a_release,
    condition,
    eventually,
    run,
    without_katib,
)

pytestmark = pytest.mark.alone

EPOCHS = 60
LONGER = {
    "trainer": {"maxEpochs": EPOCHS, "tailEpochs": 0},
    "experiment": {
        "parallelTrialCount": 1,
        "maxTrialCount": 1,
        "maxFailedTrialCount": 0,
        "parameters": [
            {"name": "stem_width", "parameterType": "discrete", "feasibleSpace": {"list": [64]}},
            {"name": "stage1_width", "parameterType": "discrete", "feasibleSpace": {"list": [96, 128]}},
        ],
    },
}
"""Half a minute of training or more, in which things can happen to it."""
LOGS = "import json; from pathlib import Path; print(json.dumps([p.read_text() for p in Path('/store').glob('trials/*/*.log')]))"
EPOCHS_TRAINED = "import pathlib; print(sum(len(p.open().readlines()) for p in pathlib.Path('/store').glob('trials/*/metrics.jsonl')))"
ours_only = pytest.mark.skipif(
    not OURS.exists(), reason="reaches under the cluster, which only `make cluster-up`'s lets one do"
)


def running_trial(release: Release) -> str:
    """The pod of a trial that has trained for two epochs."""

    def trained() -> str | None:
        pods = release.namespace.get("pods", selector=TRIALS)
        running = [one for one in pods if condition(one, "Ready") and "deletionTimestamp" not in one["metadata"]]
        return running[0]["metadata"]["name"] if running and release.store(EPOCHS_TRAINED) >= 2 else None

    pod: str = eventually(trained, 3 * MINUTES, "a trial's second epoch", every=0.1)
    return pod


def went_on(release: Release) -> bool:
    """Whether a trial's log tells that it was resumed."""
    return any("resum" in log for log in release.store(LOGS))


def test_a_trial_that_is_evicted_goes_on_from_its_checkpoint() -> None:
    """As a drained node does it: by the eviction API, which marks the pod so that its Job does not count it as a failure."""
    with a_release() as release:
        release.upgrade("extractor.mode=none", values=LONGER, flags=("--wait", "--timeout=3m"))
        pod, where = running_trial(release), release.namespace
        metadata = {"name": pod, "namespace": where.name}
        # Katib's shell does not pass SIGTERM on: what ends the trial is SIGKILL, when the patience is over
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": metadata,
            "deleteOptions": {"gracePeriodSeconds": 1},
        }
        address = f"/api/v1/namespaces/{where.name}/pods/{pod}/eviction"
        where.kubectl("create", "--raw", address, "--filename=-", stdin=json.dumps(eviction))
        status = release.search_ends()
        assert (status["trialsSucceeded"], status.get("trialsFailed", 0)) == (1, 0)
        assert went_on(release)
        (card,) = release.store(STORE)["trials"].values()
        assert (card["status"], card["epochs"]) == ("succeeded", EPOCHS)


def test_a_trial_whose_pod_is_deleted_fails_alone_and_the_next_search_resumes_it() -> None:
    """Nothing tells Katib that it was no fault of the trial; what it trained is not lost."""
    with a_release() as release:
        release.upgrade(
            "extractor.mode=none", "experiment.maxFailedTrialCount=1", values=LONGER, flags=("--wait", "--timeout=3m")
        )
        release.namespace.kubectl("delete", "pod", running_trial(release), "--grace-period=1")
        status = release.search_ends("Failed", 3 * MINUTES)
        assert status["trialsFailed"] == 1
        assert 2 <= release.store(EPOCHS_TRAINED) < EPOCHS
        release.upgrade("extractor.mode=none", "experiment.name=again", values=LONGER)
        assert release.search_ends()["trialsSucceeded"] == 1
        assert went_on(release)


def test_trials_that_diverge_or_take_too_much_memory_fail_alone() -> None:
    """By a user's network that also prints a NaN as if it were a metric: Katib never sees it, and the sound trials win."""
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


def test_a_killed_promotion_is_made_good_by_the_jobs_next_try(release: Release, namespace: Namespace) -> None:
    release.upgrade(flags=("--wait", "--timeout=3m"))
    with release.client() as client:
        version = release.model_of(release.experiment, client)["version"]
        release.upgrade("extractor.timeoutSeconds=500")

        def promoting() -> list[dict[str, Any]]:
            return [
                one
                for one in namespace.get("pods", selector=EXTRACTOR)
                if one["status"]["phase"] in ("Pending", "Running")
            ]

        pod = eventually(promoting, MINUTES, "an extractor's pod", every=0.1)[0]["metadata"]["name"]
        namespace.kubectl("delete", "pod", pod, "--grace-period=0", "--force", may_fail=True)

        def complete() -> bool:
            jobs = namespace.get("jobs", selector=EXTRACTOR)
            return len(jobs) == 1 and bool(condition(jobs[0], "Complete"))

        eventually(complete, 3 * MINUTES, "the Job's next try")
        assert release.model(client)["version"] == version
        assert release.store(STORE)["searches"][MODEL]["state"] == "promoted"


def test_while_katib_is_away_the_server_answers_and_the_search_goes_on_when_it_is_back() -> None:
    with a_release() as release:
        two = LONGER | {"experiment": LONGER["experiment"] | {"maxTrialCount": 2}}
        release.upgrade("extractor.mode=none", values=two, flags=("--wait", "--timeout=3m"))
        running_trial(release)
        with without_katib():
            with release.client() as client:
                assert client.get("/v2/health/ready").status_code == 200
            release.namespace.kubectl("delete", "pod", release.server)

            def kept_out() -> bool:
                events = release.namespace.get("events")
                return any(
                    'failed calling webhook "mutator.pod.katib.kubeflow.org"' in one["message"] for one in events
                )

            eventually(kept_out, MINUTES, "a new pod that Katib's webhook keeps out")
        status = release.search_ends()
        assert (status["trialsSucceeded"], status.get("trialsFailed", 0)) == (2, 0)
        release.server_is_ready()


@ours_only
def test_a_kubelet_that_is_restarted_finds_the_trial_running() -> None:
    with a_release() as release:
        release.upgrade("extractor.mode=none", values=LONGER, flags=("--wait", "--timeout=3m"))
        running_trial(release)
        tool = [sys.executable, "-c", "from tools.cluster.processes import stop; assert stop('kubelet')"]
        subprocess.run(tool, cwd=ROOT, check=True)
        subprocess.run([sys.executable, "-m", "tools.cluster", "up"], cwd=ROOT, check=True, capture_output=True)
        status = release.search_ends()
        assert (status["trialsSucceeded"], status.get("trialsFailed", 0)) == (1, 0)
        assert not went_on(release), "the trial's process was never touched"


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of this machine, and so of the node, that is soon full."""
    folder = OURS / "small-disk"
    folder.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=160k,mode=777", "tmpfs", folder)
    try:
        yield folder
    finally:
        run("umount", folder)
        folder.rmdir()


@ours_only
def test_a_full_store_stops_the_search_with_its_reason_and_room_lets_it_go_on(small_disk: Path) -> None:
    with (
        a_release() as release,
        a_claim(release.namespace, "small", {"hostPath": {"path": str(small_disk), "type": "Directory"}}),
    ):
        short = {"trainer": {"tailEpochs": 0}, "experiment": {"maxTrialCount": 2, "maxFailedTrialCount": 1}}
        release.upgrade("storage.existingClaim=small", values=short, flags=("--wait", "--timeout=3m"))
        release.search_ends("Failed", 3 * MINUTES)
        said = " ".join(
            release.namespace.logs(one["metadata"]["name"]) for one in release.namespace.get("pods", selector=TRIALS)
        )
        with release.client() as client:
            assert client.get("/v2/health/ready").status_code == 200
        run("mount", "-o", "remount,size=64m", small_disk)
        release.upgrade("storage.existingClaim=small", "experiment.name=roomy", values=short)
        assert release.search_ends()["trialsSucceeded"] == 2, said
        with release.client() as client:
            assert release.model_of(release.experiment, client)
