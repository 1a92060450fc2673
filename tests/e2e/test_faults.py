"""What breaks in a real cluster while a search runs: pods are taken away, Katib is away for a while, the promotion is killed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cluster_access import EXPERIMENT, MINUTES, MODEL, STORE, Namespace, Release, condition, eventually

TRIALS = "app.kubernetes.io/component=trial"
EXTRACTOR = "app.kubernetes.io/component=extractor"
LONGER = {"trainer": {"maxEpochs": 12, "tailEpochs": 0}, "experiment": {"parallelTrialCount": 1, "maxTrialCount": 2}}
KATIB = Namespace("kubeflow")
LOGS = "import json; from pathlib import Path; print(json.dumps([p.read_text() for p in Path('/store').glob('trials/*/*.log')]))"


def running_trials(namespace: Namespace) -> list[dict[str, Any]]:
    return [one for one in namespace.get("pods", selector=TRIALS) if condition(one, "Ready") and "deletionTimestamp" not in one["metadata"]]


@pytest.fixture
def katib_comes_back() -> Any:
    """Whatever a test does to Katib is undone."""
    yield
    KATIB.kubectl("scale", "deployment/katib-controller", "--replicas=1")
    KATIB.kubectl("rollout", "status", "deployment/katib-controller", "--timeout=120s")


def test_a_trial_that_is_evicted_goes_on_from_its_checkpoint(release: Release, namespace: Namespace) -> None:
    """As a drained node does it: by the eviction API, which marks the pod so that its Job does not count it as a failure."""
    release.upgrade(values=LONGER, flags=("--wait", "--timeout=3m"))
    pod = eventually(lambda: running_trials(namespace), 3 * MINUTES, "a running trial")[0]["metadata"]["name"]

    def epochs() -> int:
        return max([card["epochs"] for card in release.store(STORE)["trials"].values()], default=0)

    before = eventually(lambda: epochs() >= 2 and epochs(), 3 * MINUTES, "two epochs")
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": namespace.name}}

    namespace.kubectl(
        "create", "--raw", f"/api/v1/namespaces/{namespace.name}/pods/{pod}/eviction", "--filename=-", stdin=json.dumps(eviction)
    )
    experiment = release.search_ends()
    assert experiment["status"].get("trialsFailed", 0) == 0
    assert experiment["status"]["trialsSucceeded"] == 2
    log = release.store(
        "import json; from pathlib import Path; print(json.dumps([p.read_text() for p in Path('/store').glob('trials/*/*.log')]))"
    )
    assert before >= 2
    assert any("resum" in one for one in log), "a log tells that a trial went on"


def test_a_killed_promotion_is_made_good_by_the_jobs_next_try(release: Release, namespace: Namespace) -> None:
    with release.client() as client:
        release.model_of(release.experiment, client)
        version = release.model(client)["version"]
        release.upgrade("extractor.timeoutSeconds=500", values=LONGER)

        def promoting() -> list[dict[str, Any]]:
            return [one for one in namespace.get("pods", selector=EXTRACTOR) if one["status"]["phase"] in ("Pending", "Running")]

        pod = eventually(promoting, MINUTES, "an extractor's pod")[0]["metadata"]["name"]
        namespace.kubectl("delete", "pod", pod, "--grace-period=0", "--force", may_fail=True)

        def complete() -> bool:
            return any(condition(one, "Complete") for one in namespace.get("jobs", selector=EXTRACTOR))

        eventually(complete, 3 * MINUTES, "the Job's next try")
        assert release.model(client)["version"] == version
        assert release.store(STORE)["searches"][MODEL]["state"] == "promoted"


def test_while_katib_is_away_the_server_answers_and_the_search_goes_on_when_it_is_back(
    release: Release, namespace: Namespace, katib_comes_back: None
) -> None:
    release.upgrade("experiment.maxTrialCount=4", values=LONGER | {"experiment": LONGER["experiment"] | {"maxTrialCount": 4}})
    KATIB.kubectl("scale", "deployment/katib-controller", "--replicas=0")
    eventually(lambda: not KATIB.get("pods", selector="katib.kubeflow.org/component=controller"), MINUTES, "Katib's end")
    with release.client() as client:
        assert client.get("/model").status_code == 200
        assert client.get("/v2/health/ready").status_code == 200
    KATIB.kubectl("scale", "deployment/katib-controller", "--replicas=1")
    KATIB.kubectl("rollout", "status", "deployment/katib-controller", "--timeout=120s")

    def done() -> bool:
        (experiment,) = namespace.get(EXPERIMENT, release.experiment)
        return experiment["status"].get("trialsSucceeded", 0) >= 4

    eventually(done, 6 * MINUTES, "four trials")


def test_never_more_trials_run_than_allowed(release: Release, namespace: Namespace) -> None:
    three = {"experiment": {"parallelTrialCount": 2, "maxTrialCount": 4}, "trainer": {"maxEpochs": 3, "tailEpochs": 0, "seed": 7}}
    release.upgrade(values=three)
    most = 0

    def ended() -> bool:
        nonlocal most
        most = max(most, len([one for one in namespace.get("pods", selector=TRIALS) if one["status"]["phase"] == "Running"]))
        (experiment,) = namespace.get(EXPERIMENT, release.experiment) or [{}]
        return bool(condition(experiment, "Succeeded"))

    eventually(ended, 5 * MINUTES, "the search", every=0.2)
    assert 1 <= most <= 2
