"""The life of a release: install, search, promote, predict, upgrade, roll back, refuse, uninstall, install again."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from sklearn.datasets import load_digits

from tests.e2e.cluster_access import EXPERIMENT, MINUTES, STORE, TRIAL, Release, condition, eventually, run

KINDS = (
    "deployments",
    "services",
    "jobs",
    "persistentvolumeclaims",
    "configmaps",
    "roles",
    "rolebindings",
    "serviceaccounts",
    EXPERIMENT,
)
OTHER_SPACE = {
    "experiment": {
        "parameters": [
            {"name": "stem_width", "parameterType": "discrete", "feasibleSpace": {"list": [8, 16]}},
            {"name": "stage1_width", "parameterType": "discrete", "feasibleSpace": {"list": [16, 32]}},
        ]
    }
}
"""Half of its networks are in the first space too."""


ALWAYS = "promotion.policy=always"
"""These tests are about which search is served, not about how good its winner is."""
WORSE = {
    "experiment": {
        "maxTrialCount": 1,
        "parallelTrialCount": 1,
        "maxFailedTrialCount": 0,
        "parameters": [
            {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0.000001", "max": "0.000002"}}
        ],
    },
    "trainer": {"maxEpochs": 1, "tailEpochs": 0},
}
"""A search that learns next to nothing, of the same data, split and seed."""
REQUESTS = 10_000


@contextmanager
def asked_all_the_while(release: Release, pause: float = 0.02, clients: int = 1) -> Iterator[list[int]]:
    """Predictions of each client, one after the other, while the block runs; their statuses."""
    statuses: list[int] = []
    over = threading.Event()

    def ask() -> None:
        with release.client() as client:
            while not over.is_set():
                try:
                    statuses.append(client.post("/predict", json=EIGHT).status_code)
                except httpx.HTTPError:
                    statuses.append(0)
                over.wait(pause)

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        over.set()
        for thread in threads:
            thread.join()


PIXELS = np.clip(np.round(load_digits().images * 255 / 16), 0, 255).astype(int)
EIGHT = {"instances": PIXELS[:1].tolist()}


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """What a test hands to those that follow it."""
    return {}


def test_an_installation_waits_for_a_server_that_is_ready_without_a_model(release: Release) -> None:
    notes = release.upgrade(ALWAYS, flags=("--wait", "--timeout=10m"))
    assert "PROMOTION  job" in notes
    with release.client() as client:
        assert client.get("/v2/health/ready").status_code == 200
        card = release.model(client)
        if card is None:
            answer = client.post("/predict", json=EIGHT)
            assert answer.status_code == 503
            assert "no model" in answer.text


def test_trials_run_as_pods_and_their_metrics_reach_katib(release: Release) -> None:
    status = release.search_ends()
    assert (status["trials"], status["trialsSucceeded"]) == (4, 4)
    best = {
        metric["name"]: float(metric["latest"]) for metric in status["currentOptimalTrial"]["observation"]["metrics"]
    }
    assert best["val_accuracy"] > 0.3, "ten classes"
    assert {"val_accuracy", "val_loss"} == set(best)


def test_the_winner_is_promoted_and_served(release: Release, seen: dict[str, Any]) -> None:
    with release.client() as client:
        card = release.model_of(release.experiment, client)
        answer = client.post("/predict", json={"instances": PIXELS[:100].tolist()}).raise_for_status().json()
        labels = [int(prediction["label"]) for prediction in answer["predictions"]]
        assert np.mean(labels == load_digits().target[:100]) > 0.5
        request = {
            "inputs": [{"name": "input", "datatype": "UINT8", "shape": [2, 8, 8], "data": PIXELS[:2].ravel().tolist()}]
        }
        inferred = client.post("/v2/models/digits/infer", json=request)
        assert inferred.status_code == 200, inferred.text
        assert inferred.json()["outputs"][0]["shape"][0] == 2
    seen["version"], seen["experiment"] = card["version"], release.experiment


def test_the_store_says_what_katib_would_have_chosen(release: Release) -> None:
    search = release.store(STORE)["searches"]["digits"]
    assert search["state"] == "promoted"
    assert search["katib"]["trial"] in release.namespace.names(TRIAL)


def test_training_on_this_machine_gives_the_same_weights(release: Release, tmp_path: Path) -> None:
    """Replayed with as many threads as the trial's limit of CPU. Only Python's patch release may differ here."""
    store = release.copy_store(tmp_path / "store")
    keys = sorted(path.parent.parent.name for path in store.glob("trials/*/model/manifest.json"))
    assert keys
    for key in keys[:2]:
        report = run(sys.executable, "-m", "atelier_cli", "replay", key, "--store", store, may_fail=True)
        others = [
            line
            for line in report.splitlines()
            if line.startswith("environment: ") and "environment: python " not in line
        ]
        if others:
            pytest.skip(f"trained on another kind of machine: {others}")
        assert " 0 differ" in report


def test_helm_test_passes(release: Release) -> None:
    report = release.helm("test", release.name, "--logs", "--timeout=10m")
    assert "Succeeded" in report
    assert "reference inputs give their reference outputs" in report


def test_an_upgrade_with_nothing_changed_makes_no_object(release: Release) -> None:
    before = release.namespace.uids(*KINDS)
    generation = release.namespace.get("deployments")[0]["metadata"]["generation"]
    release.upgrade(ALWAYS, flags=("--wait",))
    assert release.namespace.uids(*KINDS) == before
    assert release.namespace.get("deployments")[0]["metadata"]["generation"] == generation


def test_higher_counts_go_on_with_the_same_search(release: Release, seen: dict[str, Any]) -> None:
    before = release.namespace.uids(EXPERIMENT)
    release.upgrade(ALWAYS, "experiment.maxTrialCount=6")

    def all_six() -> bool:
        (experiment,) = release.namespace.get(EXPERIMENT, seen["experiment"])
        return bool(condition(experiment, "Succeeded")) and experiment["status"]["trialsSucceeded"] == 6

    eventually(all_six, 5 * MINUTES, "six trials")
    assert release.namespace.uids(EXPERIMENT) == before


def test_another_space_is_another_search_that_trains_only_what_is_new(release: Release, seen: dict[str, Any]) -> None:
    """The model is replaced without one failed request."""
    known = release.store(STORE)["trials"]
    with asked_all_the_while(release) as statuses:
        release.upgrade(ALWAYS, "experiment.maxTrialCount=6", values=OTHER_SPACE)
        assert release.experiment != seen["experiment"]
        release.search_ends()
        with release.client() as client:
            release.model_of(release.experiment, client)
    assert len(statuses) > 100
    assert set(statuses) == {200}
    store = release.store(STORE)
    records = store["records"][release.experiment].values()
    shared = {record["key"] for record in records} & set(known)
    assert shared, "a search of six that shares half of its space has met a network of the first"
    assert all(store["trials"][key]["weights_sha256"] == known[key]["weights_sha256"] for key in shared)
    assert seen["experiment"] in release.namespace.names(EXPERIMENT), "the first search is kept"
    seen["second"] = release.experiment


def test_a_rollback_brings_the_first_search_and_its_model_back(release: Release, seen: dict[str, Any]) -> None:
    """With Helm 4; every released Helm 3 rejects an Experiment that it did not remove."""
    history = release.helm("history", release.name, "--output=json")
    assert history
    release.helm("rollback", release.name, "3", "--wait", "--timeout=10m")
    assert release.experiment == seen["experiment"]
    with release.client() as client:
        release.model_of(seen["experiment"], client)


def test_a_worse_search_is_refused_and_one_value_approves_it_and_goes_back_under_load(
    release: Release, seen: dict[str, Any]
) -> None:
    def served(version: str) -> bool:
        current: str = release.store(STORE)["models"]["digits"]["version"]
        return current == version

    def chosen(version: str) -> dict[str, Any]:
        return WORSE | {"promotion": {"version": version}}

    def search() -> dict[str, Any]:
        found: dict[str, Any] = release.store(STORE)["searches"]["digits"]
        return found

    before = release.store(STORE)["models"]["digits"]["version"]
    with asked_all_the_while(release, pause=0, clients=3) as statuses, release.client() as client:
        release.upgrade(values=WORSE)
        seen["worse"] = release.experiment
        release.search_ends()
        eventually(
            lambda: search()["experiment"] == seen["worse"] and search()["state"] != "running", 3 * MINUTES, "a verdict"
        )
        assert search()["state"] == "refused", search()
        assert served(before), "the pointer has moved"
        decision = release.store(STORE)["decisions"]["digits"]
        waiting = decision["version"]
        assert decision["outcome"] == "worse" and decision["comparison"]["rows"] == "validation"
        assert decision["comparison"]["value"] < decision["comparison"]["served"]
        assert client.get(f"/v2/models/digits/versions/{waiting}/ready").status_code == 200
        eventually(lambda: (release.model(client) or {})["waiting"], MINUTES, "the page's line")

        release.upgrade(values=chosen(waiting))
        eventually(lambda: served(waiting), 2 * MINUTES, "an approval")
        while True:
            release.upgrade(values=chosen(before))
            eventually(lambda: served(before), 2 * MINUTES, "the way back")
            if len(statuses) >= REQUESTS:
                break
            release.upgrade(values=chosen(waiting))
            eventually(lambda: served(waiting), 2 * MINUTES, "the way forth")

        eventually(lambda: search()["state"] == "refused", 2 * MINUTES, "the end of the extractor")
        ended = search()["updated_at"]
        release.upgrade(values=WORSE)
        eventually(
            lambda: search()["state"] == "refused" and search()["updated_at"] != ended, 2 * MINUTES, "another extractor"
        )
        assert served(before), "the policy decides on the next search only"
    assert len(statuses) >= REQUESTS
    assert [status for status in statuses if status != 200] == []
    last = release.store(STORE)["histories"]["digits"][-1]
    assert (last["version"], last["policy"]) == (before, None)
    assert f"promotion.version of release {release.name}" in last["reason"] and last["comparison"]["served"] is not None


def test_helm_3_rolls_forward_to_the_second_search(release: Release, seen: dict[str, Any]) -> None:
    forward = Release(release.namespace, release.name, helm="helm3")
    forward.upgrade(ALWAYS, "experiment.maxTrialCount=6", values=OTHER_SPACE)
    assert forward.experiment == seen["second"]
    with forward.client() as client:
        forward.model_of(seen["second"], client)


def test_uninstalling_leaves_the_store_and_the_searches(release: Release, seen: dict[str, Any]) -> None:
    release.uninstall()
    left = {
        key for key in release.namespace.uids(*KINDS) if "kube-root-ca" not in key and key != "ServiceAccount/default"
    }
    searches = {seen["experiment"], seen["second"], seen["worse"]}
    kept = {f"{kind}/{name}" for kind in ("Experiment", "ConfigMap") for name in searches}
    assert {key for key in left if not key.startswith(("Deployment/", "Service/"))} == kept | {
        "PersistentVolumeClaim/digits-atelier-store"
    }
    suggestions = {key for key in left if key.startswith(("Deployment/", "Service/"))}
    assert all(any(name in key for name in searches) for key in suggestions), suggestions


def test_installing_again_serves_the_model_within_seconds(release: Release, seen: dict[str, Any]) -> None:
    before = release.namespace.uids(EXPERIMENT)
    release.upgrade(ALWAYS, "experiment.maxTrialCount=6", values=OTHER_SPACE, flags=("--wait", "--timeout=10m"))
    with release.client() as client:
        card = release.model_of(seen["second"], client, seconds=20)
    assert card
    assert release.namespace.uids(EXPERIMENT) == before
