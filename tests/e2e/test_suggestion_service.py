"""The algorithm atelier on Katib: a suggestion pod that is evicted again and again changes nothing of a search."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.cluster_access import (
    DIGITS,
    MINUTES,
    STORE,
    TRIAL,
    Namespace,
    Release,
    a_release,
    condition,
    digits_lack,
    eventually,
    run,
)

SUGGESTION = "katib.kubeflow.org/suggestion"
EVICTIONS = 10
TRIALS = 10
OURS: dict[str, Any] = {
    "experiment": {
        "algorithm": {"algorithmName": "atelier", "algorithmSettings": [{"name": "n_startup_trials", "value": 4}]},
        "earlyStopping": {
            "algorithmName": "halving",
            # the first of two pauses at epoch 2, whatever it is worth; from then on one of two goes on
            "algorithmSettings": [{"name": "eta", "value": 2}, {"name": "min_epochs", "value": 2}],
        },
        # one after the other: what a decision knows does not depend on who ends first
        "parallelTrialCount": 1,
        "maxTrialCount": TRIALS,
        "parameters": [
            {"name": "stem_width", "parameterType": "discrete", "feasibleSpace": {"list": [4, 8, 16]}},
            {
                "name": "lr",
                "parameterType": "double",
                "feasibleSpace": {"min": 0.0001, "max": 0.01, "distribution": "logUniform"},
            },
        ],
    },
    "trainer": {"maxEpochs": 6, "tailEpochs": 0},
    "extractor": {"timeoutSeconds": 1800},
}


def of(trials: int) -> dict[str, Any]:
    return OURS | {"experiment": OURS["experiment"] | {"maxTrialCount": trials}}


def register(*arguments: str) -> str:
    """`atelier katib register`, as an administrator, with the image of the small profile's trials."""
    command = [sys.executable, "-m", "atelier_cli", "katib", "register"]
    return run("env", "COLUMNS=400", *command, *arguments)


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    """Katib knows the algorithm while the tests of this module run; no other test uses it."""
    register("-f", str(DIGITS))
    try:
        yield
    finally:
        register("--remove")


def steps(release: Release) -> list[tuple[str, dict[str, str], str, dict[str, str]]]:
    """Katib's trials by number: params, the rung where they go on, and the objective where they ended."""
    name = release.experiment
    found = []
    for trial in release.namespace.get(TRIAL, selector=f"katib.kubeflow.org/experiment={name}"):
        assert trial["metadata"]["name"].startswith(f"{name}-"), "the service names the trials"
        params = {one["name"]: one["value"] for one in trial["spec"]["parameterAssignments"]}
        metrics = {one["name"]: one["latest"] for one in trial["status"]["observation"]["metrics"]}
        marks = {key: value for key, value in metrics.items() if "_at_" in key}
        number = trial["metadata"]["name"].rpartition("-")[2]
        found.append((number, params, trial["metadata"]["labels"]["atelier/resumed-at"], marks))
    return sorted(found, key=lambda step: step[0])


def searched(release: Release) -> dict[str, Any]:
    """What a search has come to: its steps, and the key of the winner."""
    with release.client() as client:
        promoted = release.model_of(release.experiment, client)["promotion"]
    return {"steps": steps(release), "winner": promoted["key"]}


def test_the_doctor_finds_what_is_registered_and_registering_again_changes_nothing(namespace: Namespace) -> None:
    report = digits_lack(namespace, "experiment.algorithm.algorithmName=atelier")
    assert "knows StdOut, atelier" in report, report
    assert "Nothing to change" in register("-f", str(DIGITS))


def test_a_search_whose_suggestion_pod_is_evicted_ten_times_ends_with_the_same_winner() -> None:
    with a_release() as undisturbed, a_release() as disturbed:
        for release in (undisturbed, disturbed):
            release.upgrade(values=OURS, flags=("--wait", "--timeout=10m"))
        where = disturbed.namespace
        evicted: set[str] = set()

        def evict() -> None:
            """Evict every suggestion pod as soon as it is ready: between requests, and during them."""
            pods = [one for one in where.get("pods", selector=SUGGESTION) if condition(one, "Ready")]
            for pod in {one["metadata"]["name"] for one in pods} - evicted:
                if len(evicted) < EVICTIONS and where.get(TRIAL):
                    evicted.add(pod)
                    where.evict(pod)

        status = disturbed.search_ends(seconds=15 * MINUTES, watch=evict)
        assert len(evicted) == EVICTIONS, "the search was over before"
        assert (status["trialsSucceeded"], status.get("trialsFailed", 0)) == (TRIALS, 0)
        undisturbed.search_ends(seconds=15 * MINUTES)
        after, before = searched(disturbed), searched(undisturbed)
        assert after == before
        assert {at for _, _, at, _ in after["steps"]} > {"0"}, "paused trials went on"
        records = [record["key"] for record in disturbed.store(STORE)["records"][disturbed.experiment].values()]
        assert len(set(records)) == sum(at == "0" for _, _, at, _ in after["steps"]), "no network was suggested twice"


def test_counts_that_are_raised_go_on_with_the_same_search() -> None:
    with a_release() as release:
        release.upgrade(values=of(3), flags=("--wait", "--timeout=10m"))
        release.search_ends()
        first, name = steps(release), release.experiment
        release.upgrade(values=of(5))
        assert release.experiment == name
        eventually(lambda: len(release.namespace.get(TRIAL)) > 3, 3 * MINUTES, "a fourth trial")
        assert release.search_ends()["trialsSucceeded"] == 5
        assert steps(release)[:3] == first
