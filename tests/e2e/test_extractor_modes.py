"""hook, cronjob, none, and the inspector: what each leaves behind. The default, job, is what test_release.py runs."""

from __future__ import annotations

from pathlib import Path

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
    release.upgrade("extractor.mode=none", flags=("--wait", "--timeout=3m"))
    release.search_ends()


def test_without_an_extractor_nothing_is_promoted(release: Release, namespace: Namespace) -> None:
    assert namespace.get("jobs", selector=EXTRACTOR) == []
    assert MODEL not in release.store(STORE)["models"]


def test_helm_waits_for_the_hook_and_the_model_is_there_when_it_returns(release: Release, namespace: Namespace) -> None:
    release.upgrade("extractor.mode=hook", flags=("--timeout=10m",))
    found = release.store(STORE)
    assert found["searches"][MODEL]["state"] == "promoted"
    assert found["models"][MODEL]["version"]
    (job,) = namespace.get("jobs", "digits-atelier-extractor")
    assert condition(job, "Complete"), "the hook's Job stays for its log"


def test_the_tail_is_a_trial_of_its_own_and_may_win(release: Release) -> None:
    found = release.store(STORE)
    (records,) = found["records"].values()
    assert "tail" in records
    assert found["trials"][records["tail"]["key"]]["status"] == "succeeded"


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
