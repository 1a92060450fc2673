"""The extractor's modes in turn on one search, and the inspector: what each leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cluster_access import (
    EXTRACTOR,
    INSPECTOR,
    MINUTES,
    MODEL,
    STORE,
    Namespace,
    Release,
    condition,
    eventually,
)


@pytest.fixture(autouse=True, scope="module")
def search(release: Release) -> None:
    """One search, trained once; later releases find it trained."""
    release.upgrade("extractor.mode=none", flags=("--wait", "--timeout=10m"))
    release.search_ends()


def test_without_an_extractor_nothing_is_promoted(release: Release, namespace: Namespace) -> None:
    assert namespace.get("jobs", selector=EXTRACTOR) == []
    assert MODEL not in release.store(STORE)["models"]


def test_helm_waits_for_the_hook_and_the_model_is_there_when_it_returns(release: Release, namespace: Namespace) -> None:
    release.upgrade("extractor.mode=hook", flags=("--timeout=10m",))
    store = release.store(STORE)
    assert store["searches"][MODEL]["state"] == "promoted"
    assert store["models"][MODEL]["version"]
    (job,) = namespace.get("jobs", "digits-atelier-extractor")
    assert condition(job, "Complete"), "the hook's Job stays for its log"


def test_the_tail_is_a_trial_of_its_own_and_may_win(release: Release) -> None:
    store = release.store(STORE)
    (records,) = store["records"].values()
    assert "tail" in records
    assert store["trials"][records["tail"]["key"]]["status"] == "succeeded"


def test_a_killed_promotion_is_made_good_by_the_jobs_next_try(release: Release, namespace: Namespace) -> None:
    version = release.store(STORE)["models"][MODEL]["version"]
    release.upgrade("extractor.timeoutSeconds=500")

    def promoting() -> list[dict[str, Any]]:
        pods = namespace.get("pods", selector=EXTRACTOR)
        return [pod for pod in pods if pod["status"]["phase"] in ("Pending", "Running")]

    pod = eventually(promoting, MINUTES, "an extractor's pod", every=0.1)[0]["metadata"]["name"]
    namespace.kubectl("delete", "pod", pod, "--grace-period=0", "--force", may_fail=True)

    def complete() -> bool:
        jobs = [job for job in namespace.get("jobs", selector=EXTRACTOR) if not is_hook(job)]
        return len(jobs) == 1 and bool(condition(jobs[0], "Complete"))

    eventually(complete, 3 * MINUTES, "the Job's next try")
    with release.client() as client:
        card = release.model(client)
    assert card is not None
    assert card["version"] == version
    assert release.store(STORE)["searches"][MODEL]["state"] == "promoted"


def is_hook(job: dict[str, Any]) -> bool:
    return "helm.sh/hook" in job["metadata"].get("annotations", {})


def test_the_cronjob_promotes_when_its_time_comes(release: Release, namespace: Namespace) -> None:
    release.upgrade("extractor.mode=cronjob", "extractor.schedule=* * * * *")

    def ran() -> bool:
        jobs = namespace.get("jobs", selector=EXTRACTOR)
        return any(condition(one, "Complete") for one in jobs if one["metadata"].get("ownerReferences"))

    eventually(ran, 3 * MINUTES, "a run of the cronjob")
    release.upgrade("extractor.mode=none")
    assert namespace.get("cronjobs") == []


def test_the_inspector_shows_the_store_and_goes_when_its_time_is_over(
    release: Release, namespace: Namespace, tmp_path: Path
) -> None:
    release.upgrade("extractor.mode=none", "inspector.enabled=true", "inspector.seconds=15")

    def running() -> str | None:
        pods = [one for one in namespace.get("pods", selector=INSPECTOR) if condition(one, "Ready")]
        return pods[0]["metadata"]["name"] if pods else None

    pod = eventually(running, MINUTES, "the inspector")
    assert "trials" in namespace.kubectl("exec", pod, "--", "ls", "/store")
    namespace.kubectl("cp", f"{pod}:/store/models/{MODEL}/current.json", str(tmp_path / "current.json"))
    assert '"version"' in (tmp_path / "current.json").read_text()
    refused = namespace.kubectl("exec", pod, "--", "touch", "/store/written", may_fail=True)
    assert "Read-only file system" in refused
    eventually(lambda: not namespace.get("pods", selector=INSPECTOR), 2 * MINUTES, "the inspector's end")
