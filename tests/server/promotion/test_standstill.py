"""A search that stands still says why, by the cluster's Events, and starts anew where Katib cannot go on."""

from pathlib import Path

import pytest
from atelier_server.promotion import wait
from atelier_store.layout import Store
from atelier_store.records import KeptExperiment, Search

from tests.support.current import applied_last
from tests.support.kubernetes_api import (
    NAME,
    NAMESPACE,
    RUNNING,
    SUCCEEDED,
    TRIALS,
    Api,
    answering,
    event,
    experiment,
    json_answer,
)

STILL = json_answer(experiment(RUNNING, trialsSucceeded=4))
BUSY = json_answer(experiment(RUNNING, trialsSucceeded=4, trialsRunning=2))
OVER = json_answer(experiment(RUNNING, SUCCEEDED, trialsSucceeded=12))
FORGOTTEN = "rpc error: code = Internal desc = Same parameter is not found for Trial: v1beta1.Trial{Name:…}"


@pytest.fixture
def waited(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> "type[Waited]":
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.setenv("NO_PROXY", "*")
    caplog.set_level("INFO")
    Waited.store, Waited.caplog = store, caplog
    return Waited


class Waited:
    """A wait against an API, and what it left."""

    store: Store
    caplog: pytest.LogCaptureFixture
    code: int

    @classmethod
    def on(cls, api: Api, timeout: int = 20) -> list[str]:
        """Lines of the log, when the wait has ended."""
        cls.code = wait.run(cls.store, NAME, "digits", namespace=NAMESPACE, timeout=timeout, every=0.01, patience=0.05)
        return [record.getMessage() for record in cls.caplog.records if record.name.startswith("atelier_server")]

    @classmethod
    def search(cls) -> Search:
        return Search.read(cls.store.model("digits").search)


def test_the_reason_is_the_newest_warning_of_each_of_the_searchs_objects(tmp_path: Path, waited: type[Waited]) -> None:
    with answering(tmp_path, STILL) as api:
        api.events = [
            event("Suggestion", NAME, "ReconcileError", "old", at="2026-01-02T03:00:00Z"),
            event("Suggestion", NAME, "ReconcileError", "connection refused", at="2026-01-02T03:01:00Z"),
            event("Pod", f"{NAME}-x7k2p", "FailedScheduling", "0/3 nodes are available", at="2026-01-02T03:02:00Z"),
            event("Pod", "another-search-x7k2p", "BackOff", "not ours"),
            event("Pod", f"{NAME}0-x7k2p", "BackOff", "not ours either"),
        ]
        lines = waited.on(api, timeout=1)
    assert waited.code == 1
    reason = (
        f"Pod/{NAME}-x7k2p: FailedScheduling: 0/3 nodes are available; "
        f"Suggestion/{NAME}: ReconcileError: connection refused"
    )
    (told,) = [line for line in lines if line.startswith("trials: 4 succeeded, 0 running, 0 failed of 12; no trial")]
    assert told.endswith(reason)
    assert waited.search().state == "failed" and (waited.search().reason or "").endswith(reason)
    assert not api.changed


def test_the_reason_is_in_the_record_of_the_search_while_it_stands_still(tmp_path: Path, waited: type[Waited]) -> None:
    seen = []

    def look(request: object) -> None:
        seen.append(waited.search().reason)
        (OVER if seen[-1] else STILL)(request)  # type: ignore[arg-type]

    with answering(tmp_path, look) as api:
        waited.on(api)
    assert waited.code == 0
    assert seen[-1] == "no trial has run for 0 s or more; no Event says why"


def test_trials_that_run_for_long_are_no_standstill(tmp_path: Path, waited: type[Waited]) -> None:
    with answering(tmp_path, *[BUSY] * 30, OVER) as api:
        api.events = [event("Pod", f"{NAME}-x7k2p", "FailedScheduling", "long ago")]
        lines = waited.on(api)
    assert waited.code == 0
    assert not any("no trial" in line for line in lines)


def test_a_running_trial_of_which_a_warning_tells_is_named(tmp_path: Path, waited: type[Waited]) -> None:
    with answering(tmp_path, *[BUSY] * 30, OVER) as api:
        api.events = [event("Pod", f"{NAME}-x7k2p", "Failed", "ErrImagePull", at="2100-01-02T03:02:00Z")]
        lines = waited.on(api)
    assert waited.code == 0
    assert any(line.endswith(f"Pod/{NAME}-x7k2p: Failed: ErrImagePull") for line in lines)


def test_a_search_whose_suggestion_service_forgot_its_trials_starts_anew_as_it_was_applied(
    tmp_path: Path, waited: type[Waited]
) -> None:
    with answering(tmp_path, lambda request: (OVER if api.changed else STILL)(request)) as api:
        api.events = [event("Suggestion", NAME, "ReconcileError", FORGOTTEN)]
        lines = waited.on(api)
    assert waited.code == 0
    applied = experiment()
    applied["metadata"].pop("uid")
    applied.pop("status")
    (deleted, (_, created)) = api.changed
    assert deleted == ("DELETE", "propagationPolicy=Background")
    assert created == applied
    assert f"Experiment {NAME} is created again" in lines
    assert not waited.store.experiment(NAME).kept_experiment.exists()


def test_a_search_is_not_created_again_before_all_that_katib_made_for_it_is_gone(
    tmp_path: Path, waited: type[Waited]
) -> None:
    with answering(tmp_path, lambda request: (OVER if api.changed else STILL)(request)) as api:
        api.events = [event("Suggestion", NAME, "ReconcileError", FORGOTTEN)]
        api.trials, api.suggestions = 3, 2
        waited.on(api)
    assert waited.code == 0 and [method for method, _ in api.changed] == ["DELETE", "POST"]
    assert (api.trials, api.suggestions) == (-3, -1)
    asked = [path for path in api.asked if path.startswith(TRIALS)]
    assert all(path.endswith(f"labelSelector=katib.kubeflow.org%2Fexperiment%3D{NAME}") for path in asked)


def test_a_wait_that_was_killed_between_delete_and_create_goes_on_there(tmp_path: Path, waited: type[Waited]) -> None:
    applied = {"apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment", "metadata": {"name": NAME}, "spec": {}}
    KeptExperiment(manifest=applied).write(waited.store.experiment(NAME).kept_experiment)
    with answering(tmp_path, OVER) as api:
        api.changed.append(("DELETE", ""))
        waited.on(api)
    assert waited.code == 0
    assert [method for method, _ in api.changed] == ["DELETE", "POST"] and api.changed[1][1] == applied


def test_an_experiment_that_was_damaged_while_it_was_deleted_is_not_created_but_told_of(
    tmp_path: Path, waited: type[Waited]
) -> None:
    kept = waited.store.experiment(NAME).kept_experiment
    KeptExperiment(manifest=experiment()).write(kept)
    written = kept.read_text()
    kept.write_text(written.replace('"maxTrialCount": 12', '"maxTrialCount": 13'))
    assert kept.read_text() != written
    with answering(tmp_path, OVER) as api:
        api.changed.append(("DELETE", ""))
        lines = waited.on(api, timeout=1)
    assert waited.code == 1 and [method for method, _ in api.changed] == ["DELETE"]
    assert any(f"{kept}: its sha256 is not that of its content" in line for line in lines)


def test_a_search_that_another_one_has_replaced_is_not_waited_for_and_leaves_no_record(
    tmp_path: Path, waited: type[Waited], monkeypatch: pytest.MonkeyPatch
) -> None:
    present = applied_last("another-89abcdef", tmp_path, monkeypatch)
    with answering(tmp_path, BUSY) as api:
        lines = waited.on(api)
    assert waited.code == 0 and "not waited for any longer: another-89abcdef was applied later" in lines
    assert not waited.store.model("digits").search.exists()
    present.write_text(NAME)
    with answering(tmp_path, OVER) as api:
        waited.on(api)
    assert waited.code == 0 and waited.search().state == "running"


def test_events_of_before_a_new_start_do_not_start_it_once_more(tmp_path: Path, waited: type[Waited]) -> None:
    anew = experiment(RUNNING, trialsSucceeded=4)
    anew["metadata"]["creationTimestamp"] = "2026-01-02T03:04:06Z"
    with answering(tmp_path, *[json_answer(anew)] * 30, OVER) as api:
        api.events = [event("Suggestion", NAME, "ReconcileError", FORGOTTEN)]
        waited.on(api)
    assert waited.code == 0 and not api.changed
