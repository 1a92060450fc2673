"""What a cluster does not allow, and what is said then: resources that no node has, quotas, PodSecurity; two releases of one profile."""

from __future__ import annotations

import sys
from typing import Any

from cluster_access import DIGITS, EXPERIMENT, MINUTES, Release, eventually, run
from conftest import new_namespace, remove

TRIALS = "app.kubernetes.io/component=trial"
GREEDY = {"trainer": {"resources": {"requests": {"cpu": 100, "memory": "512Mi"}, "limits": {"cpu": 100, "memory": "2Gi"}}}}


def test_a_trial_that_fits_no_node_is_pending_and_the_doctor_says_why(tmp_path: Any) -> None:
    namespace = new_namespace()
    release = Release(namespace)
    try:
        release.upgrade("extractor.mode=none", values=GREEDY)

        def pending() -> str | None:
            pods = namespace.get("pods", selector=TRIALS)
            conditions = [c for pod in pods for c in pod["status"].get("conditions", []) if c["type"] == "PodScheduled"]
            return next((c["message"] for c in conditions if c["status"] == "False"), None)

        assert "Insufficient cpu" in eventually(pending, 2 * MINUTES, "a trial that cannot be scheduled")
        doctor = [sys.executable, "-m", "atelier_cli", "doctor", "-f", str(DIGITS), "--namespace", namespace.name]
        said = run(*doctor, "--set", "trainer.resources={requests: {cpu: 100}}", may_fail=True)
        assert "cpu" in said and "missing" in said
    finally:
        release.uninstall()
        remove(namespace)


def test_the_doctor_has_nothing_to_say_of_a_namespace_that_is_ready(namespace: Any) -> None:
    said = run(sys.executable, "-m", "atelier_cli", "doctor", "-f", str(DIGITS), "--namespace", namespace.name)
    assert "missing" not in said


def test_the_doctor_names_the_label_that_is_missing(namespace: Any) -> None:
    run("kubectl", "label", "namespace", namespace.name, "katib.kubeflow.org/metrics-collector-injection-")
    try:
        said = run(sys.executable, "-m", "atelier_cli", "doctor", "-f", str(DIGITS), "--namespace", namespace.name, may_fail=True)
        assert "kubectl label namespace" in said
    finally:
        run("kubectl", "label", "namespace", namespace.name, "katib.kubeflow.org/metrics-collector-injection=enabled")


def test_two_releases_of_one_profile_in_two_namespaces_do_not_meet() -> None:
    """Katib lists trials by labels across namespaces: only different names keep them apart."""
    namespaces = [new_namespace(), new_namespace()]
    releases = [Release(one) for one in namespaces]
    try:
        for one in releases:
            one.upgrade("experiment.maxTrialCount=2", "experiment.maxFailedTrialCount=1", "trainer.maxEpochs=2", "trainer.tailEpochs=0")
        assert releases[0].experiment != releases[1].experiment
        for one in releases:
            assert one.search_ends()["status"]["trialsSucceeded"] == 2
            assert len(one.namespace.get(EXPERIMENT)) == 1
            with one.client() as client:
                assert one.model_of(one.experiment, client)
    finally:
        for one in releases:
            one.uninstall()
            remove(one.namespace)


def test_a_restricted_namespace_takes_every_pod_of_the_chart() -> None:
    """All but what Katib puts into a trial's pod: its sidecar is restricted only with injectSecurityContext in katib-config."""
    namespace = new_namespace("pod-security.kubernetes.io/enforce=restricted")
    release = Release(namespace)
    try:
        release.upgrade("inspector.enabled=true", flags=("--wait", "--timeout=3m"))
        release.server_is_ready()
        warnings = [
            event["message"]
            for event in namespace.get("events")
            if event["reason"] == "FailedCreate" and "violates PodSecurity" in event["message"]
        ]
        ours = [message for message in warnings if "metrics-logger-and-collector" not in message and "suggestion" not in message]
        assert ours == []
    finally:
        release.uninstall()
        remove(namespace)
