"""One search through what disturbs a whole cluster: a kubelet's restart, then Katib's absence. So it runs alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.cluster_access import (
    LONGER,
    MINUTES,
    ONE_SHORT_TRIAL,
    Namespace,
    Release,
    a_release,
    a_release_that_serves_only,
    digits_lack,
    eventually,
    ours_only,
    running_trial,
    taken_away,
    was_resumed,
    without_katib,
)
from tests.support import ROOT

pytestmark = pytest.mark.alone

DEFAULT = "storageclass.kubernetes.io/is-default-class"
TWO_LONGER = {
    "trainer": LONGER["trainer"] | {"maxEpochs": 40},
    "experiment": LONGER["experiment"] | {"maxTrialCount": 2},
}


@pytest.fixture(scope="module")
def searching(release: Release) -> Release:
    """A release whose first trial of two trains."""
    release.upgrade("extractor.mode=none", values=TWO_LONGER, flags=("--wait", "--timeout=10m"))
    running_trial(release)
    return release


@pytest.fixture(scope="module")
def apart() -> Iterator[Release]:
    """A release that serves another one's model, in a namespace that Katib does not watch."""
    with a_release() as promoting:
        promoting.upgrade(values=ONE_SHORT_TRIAL, flags=("--wait", "--timeout=10m"))
        with promoting.client() as client:
            promoting.model_of(promoting.experiment, client)
        with a_release_that_serves_only(promoting) as made:
            yield made


def search(release: Release) -> dict[str, Any]:
    status = release.search_ends()
    return {"succeeded": status["trialsSucceeded"], "failed": status.get("trialsFailed", 0)}


@ours_only
def test_a_kubelet_that_is_restarted_finds_the_trial_running(apart: Release, searching: Release) -> None:
    pod = running_trial(searching)
    stop = "from tools.cluster.processes import stop; assert stop('kubelet')"
    subprocess.run([sys.executable, "-c", stop], cwd=ROOT, check=True)
    subprocess.run([sys.executable, "-m", "tools.cluster", "up"], cwd=ROOT, check=True, capture_output=True)
    # on a slow machine the trial has ended meanwhile, and Katib has deleted its pod
    assert all(one["status"]["phase"] in ("Running", "Succeeded") for one in searching.namespace.get("pods", pod))


class TestWhileKatibIsAway:
    """Its controller, and with it its webhooks."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def away(cls, apart: Release, searching: Release) -> Iterator[None]:
        with without_katib():
            yield

    def test_the_server_answers_and_a_new_pod_is_kept_out_by_katibs_webhook(self, searching: Release) -> None:
        with searching.client() as client:
            assert client.get("/v2/health/ready").status_code == 200
        searching.namespace.kubectl("delete", "pod", searching.server, "--wait=false")

        def kept_out() -> bool:
            events = searching.namespace.get("events")
            return any('failed calling webhook "mutator.pod.katib.kubeflow.org"' in one["message"] for one in events)

        eventually(kept_out, MINUTES, "a new pod that Katib's webhook keeps out")

    def test_a_namespace_without_its_label_starts_pods_all_the_same(self, apart: Release) -> None:
        apart.namespace.kubectl("delete", "pod", apart.server)
        apart.server_is_ready()
        with apart.client() as client:
            assert apart.model(client)

    def test_the_doctor_names_its_controller_and_the_release_whose_pods_are_refused(self, namespace: Namespace) -> None:
        def named() -> bool:
            report = digits_lack(namespace)
            sys.stdout.write(report)  # pytest shows it where nothing is named
            restart = "rollout restart deployment/katib-controller"
            return "missing: 2" in report and restart in report and "its pods are refused" in report

        eventually(named, MINUTES, "a missing controller")


def test_the_search_goes_on_when_katib_is_back(searching: Release) -> None:
    assert search(searching) == {"succeeded": 2, "failed": 0}
    searching.server_is_ready()
    assert not was_resumed(searching), "no trial's process was ever touched"


def test_the_default_storage_class_is_named_by_the_doctor(namespace: Namespace) -> None:
    classes = namespace.get("storageclasses")
    (default,) = [one["metadata"]["name"] for one in classes if DEFAULT in one["metadata"].get("annotations", {})]
    annotate = ["annotate", "--overwrite", "storageclass", default]
    with taken_away([*annotate, f"{DEFAULT}=false"], [*annotate, f"{DEFAULT}=true"]):
        report = digits_lack(namespace)
    assert "missing: 1" in report
    assert "storage" in report
