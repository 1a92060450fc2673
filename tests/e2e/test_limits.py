"""What a cluster does not allow: more than its nodes have, more than a quota, PodSecurity; two releases at once."""

from __future__ import annotations

from typing import Any

from tests.e2e.cluster_access import (
    DIGITS,
    EXPERIMENT,
    EXTRACTOR,
    LABEL,
    MINUTES,
    TRIALS,
    Release,
    a_release,
    doctor,
    eventually,
)

SHORT = {
    "trainer": {"maxEpochs": 1, "tailEpochs": 0},
    "experiment": {"maxTrialCount": 3, "parallelTrialCount": 2, "maxFailedTrialCount": 0},
}


def most_at_once(release: Release, selector: str = "") -> int:
    """Most pods with a label at one time until the search ended."""
    most = 0

    def count() -> None:
        nonlocal most
        pods = release.namespace.get("pods", selector=selector)
        most = max(most, len([one for one in pods if one["status"]["phase"] in ("Pending", "Running")]))

    release.search_ends(seconds=8 * MINUTES, watch=count)
    return most


def test_a_quota_is_kept_and_the_search_ends_all_the_same() -> None:
    """Two trials may run at a time, and the namespace has room for one beside the server and the suggestion service."""
    with a_release() as release:
        quota = {"quota": {"enabled": True, "hard": {"pods": "3"}}}
        release.upgrade("extractor.mode=none", values=SHORT | quota)
        assert most_at_once(release) <= 3
        (experiment,) = release.namespace.get(EXPERIMENT)
        assert experiment["status"]["trialsSucceeded"] == 3
        (used,) = release.namespace.get("resourcequotas")
        assert used["status"]["hard"] == {"pods": "3"}


def test_a_trial_that_fits_no_node_is_pending_and_the_doctor_says_why() -> None:
    greedy = {
        "trainer": {"resources": {"requests": {"cpu": 100, "memory": "512Mi"}, "limits": {"cpu": 100, "memory": "2Gi"}}}
    }
    with a_release() as release:
        release.upgrade("extractor.mode=none", values=greedy)

        def pending() -> str | None:
            pods = release.namespace.get("pods", selector=TRIALS)
            conditions = [
                one for pod in pods for one in pod["status"].get("conditions", []) if one["type"] == "PodScheduled"
            ]
            return next((one["message"] for one in conditions if one["status"] == "False"), None)

        assert "Insufficient cpu" in eventually(pending, 2 * MINUTES, "a trial that cannot be scheduled")
        said = doctor(
            release.namespace, "-f", DIGITS, "--set=trainer.resources={requests: {cpu: 100}, limits: {cpu: 100}}"
        )
        assert "trainer.resources.requests.cpu is 100" in said


def test_two_releases_of_one_profile_in_two_namespaces_do_not_meet() -> None:
    """Katib lists trials by labels across namespaces: only names keep them apart. None runs more trials than it may."""
    with a_release() as first, a_release() as second:
        for release in (first, second):
            release.upgrade(values=SHORT)
        assert first.experiment != second.experiment
        assert 1 <= most_at_once(first, TRIALS) <= 2
        for release in (first, second):
            assert release.search_ends()["trialsSucceeded"] == 3
            assert len(release.namespace.get(EXPERIMENT)) == 1
            with release.client() as client:
                assert release.model_of(release.experiment, client)


def violations(release: Release) -> list[str]:
    """Pods that PodSecurity rejected in the release's namespace."""
    events: list[dict[str, Any]] = release.namespace.get("events")
    return [one["message"] for one in events if "violates PodSecurity" in one.get("message", "")]


def test_a_restricted_namespace_takes_every_pod_of_the_chart() -> None:
    """The server, the inspector, helm test, the extractor; what Katib adds to trials has no security context."""
    with a_release(LABEL, "pod-security.kubernetes.io/enforce=restricted") as release:
        on = ("inspector.enabled=true", "networkPolicy.enabled=true")
        said = release.upgrade("experiment.enabled=false", *on, flags=("--wait", "--timeout=10m"))
        assert "violates PodSecurity" not in said
        assert "Succeeded" in release.helm("test", release.name, "--timeout=10m")
        release.upgrade(*on)

        def extracts() -> bool:
            pods = release.namespace.get("pods", selector=EXTRACTOR)
            return any(one["status"].get("initContainerStatuses", [{}])[0].get("started") for one in pods)

        eventually(extracts, 2 * MINUTES, "an extractor that waits")
        assert [
            one
            for one in violations(release)
            if "metrics-logger-and-collector" not in one and '"suggestion"' not in one
        ] == []
