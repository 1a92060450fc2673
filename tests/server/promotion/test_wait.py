"""The wait for Katib's Experiment ends when that does, whatever the API does meanwhile, and the store says how."""

import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from atelier_store.audit import audit
from atelier_store.layout import Store
from atelier_store.records import Search

from tests.support.kubernetes_api import (
    FAILED,
    MISSING,
    NAME,
    NAMESPACE,
    RUNNING,
    SUCCEEDED,
    Answer,
    Api,
    answering,
    bare_error,
    error,
    experiment,
    json_answer,
    torn,
    write_kubeconfig,
)
from tests.support.server_process import eventually

pytestmark = pytest.mark.process

TWO, THREE = (json_answer(experiment(RUNNING, trialsSucceeded=n, trialsRunning=2, trialsFailed=1)) for n in (2, 3))
OVER = json_answer(experiment(RUNNING, SUCCEEDED, trialsSucceeded=12))


def wait(api: Api, store: Store, timeout: int = 50) -> subprocess.CompletedProcess[str]:
    return api.run("wait", "--namespace", NAMESPACE, "--timeout", str(timeout), "--poll-interval", "0.02", store=store)


def said(log: str) -> list[str]:
    """The messages of a log, without time, level and module."""
    return [line.split(": ", 1)[1] for line in log.splitlines()]


def search(store: Store) -> Search:
    return Search.read(store.model("digits").search)


def test_it_ends_when_the_experiment_has_succeeded_and_tells_only_what_changes(tmp_path: Path, store: Store) -> None:
    with answering(tmp_path, json_answer(experiment()), TWO, TWO, TWO, THREE, THREE, OVER) as api:
        done = wait(api, store)
    assert done.returncode == 0, done.stderr
    assert said(done.stderr) == [
        f"waiting for Experiment {NAME} in namespace {NAMESPACE}, at most 50 s",
        "trials: 0 succeeded, 0 running, 0 failed of 12",
        "trials: 2 succeeded, 2 running, 1 failed of 12",
        "trials: 3 succeeded, 2 running, 1 failed of 12",
        f"Experiment {NAME} succeeded: ExperimentMaxTrialsReached: "
        "Experiment has succeeded because max trial count has reached",
    ]
    assert len(api.asked) == 7 and done.stdout == ""
    assert (search(store).experiment, search(store).state, search(store).reason) == (NAME, "running", None)
    assert audit(store).mismatches == []


def test_an_experiment_that_failed_is_told_with_katibs_reason(tmp_path: Path, store: Store) -> None:
    with answering(tmp_path, TWO, json_answer(experiment(RUNNING, FAILED))) as api:
        done = wait(api, store)
    reason = (
        f"Experiment {NAME} failed: ExperimentFailed: Experiment has failed because max failed trial count has reached"
    )
    assert (done.returncode, said(done.stderr)[-1]) == (1, reason)
    assert (search(store).state, search(store).reason) == ("failed", reason)


def test_an_experiment_that_is_restarted_is_not_over(tmp_path: Path, store: Store) -> None:
    restarted = experiment(SUCCEEDED, ("Restarting", "ExperimentRestarting", "Experiment is restarted"))
    with answering(tmp_path, json_answer(restarted), OVER) as api:
        assert wait(api, store).returncode == 0
        assert len(api.asked) == 2


def test_every_trial_is_in_one_of_the_numbers(tmp_path: Path, store: Store) -> None:
    counts: dict[str, Any] = {
        "trialsSucceeded": 1,
        "trialsEarlyStopped": 2,
        "trialsFailed": 3,
        "trialsKilled": 4,
        "trialMetricsUnavailable": 5,
    }
    with answering(tmp_path, json_answer(experiment(RUNNING, trialsRunning=6, **counts)), OVER) as api:
        assert "trials: 3 succeeded, 6 running, 12 failed of 12" in said(wait(api, store).stderr)


def test_an_experiment_that_is_not_there_yet_is_waited_for_and_told_once(tmp_path: Path, store: Store) -> None:
    with answering(tmp_path, MISSING, MISSING, MISSING, THREE, OVER) as api:
        done = wait(api, store)
    assert done.returncode == 0, done.stderr
    assert said(done.stderr)[1:3] == ["it is not there yet", "trials: 3 succeeded, 2 running, 1 failed of 12"]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (error(500, "etcdserver: leader changed"), "500: etcdserver: leader changed"),
        (error(403, "experiments is forbidden"), "403: experiments is forbidden"),
        (bare_error, ""),
        (torn, ""),
        (json_answer(["no", "Experiment"]), ""),
        (json_answer({"spec": {}}), ""),
    ],
    ids=["500", "403", "no content type", "torn", "a list", "no objective"],
)
def test_an_api_that_fails_in_between_is_asked_again(tmp_path: Path, store: Store, answer: Answer, told: str) -> None:
    with answering(tmp_path, TWO, answer, answer, THREE, OVER) as api:
        done = wait(api, store)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    failures = [line for line in said(done.stderr) if line.startswith("the API gave no answer: ")]
    assert len(failures) == 1 and told in failures[0]
    assert search(store).state == "running"


@pytest.mark.parametrize(
    ("answer", "last"),
    [
        (TWO, "trials: 2 succeeded, 2 running, 1 failed of 12"),
        (MISSING, "it is not there yet"),
        (error(500, "it is ill"), "the API gave no answer: 500: it is ill"),
    ],
    ids=["running", "missing", "ill"],
)
def test_after_its_time_it_fails_and_says_how_far_it_was(
    tmp_path: Path, store: Store, answer: Answer, last: str
) -> None:
    with answering(tmp_path, answer) as api:
        done = wait(api, store, timeout=1)
    reason = f"Experiment {NAME} was not over after 1 s; {last}"
    assert (done.returncode, said(done.stderr)[-1]) == (1, reason)
    assert (search(store).state, search(store).reason) == ("failed", reason)


def test_an_api_that_is_not_there_is_waited_for_too(tmp_path: Path, store: Store) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        write_kubeconfig(tmp_path, free.getsockname()[1])
    done = wait(Api(tmp_path, []), store, timeout=1)
    assert done.returncode == 1
    assert "the API gave no answer: [Errno 111] Connection refused" in (search(store).reason or "")


@pytest.mark.parametrize("config", [None, "{", '{"current-context": "x"}'], ids=["missing", "torn", "without contexts"])
def test_without_a_cluster_it_fails_at_once(tmp_path: Path, store: Store, config: str | None) -> None:
    if config is not None:
        (tmp_path / "kubeconfig").write_text(config)
    done = wait(Api(tmp_path, []), store)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert said(done.stderr)[-1].startswith("no access to a cluster: ")
    assert search(store).state == "failed"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_at_once_and_the_search_goes_on(tmp_path: Path, store: Store, number: int, code: int) -> None:
    with answering(tmp_path, TWO) as api:
        command, environment = api.command(
            "wait", "--namespace", NAMESPACE, "--timeout", "3600", "--poll-interval", "3600", store=store
        )
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
            eventually(lambda: api.asked)
            assert (
                process.stderr is not None
                and "waiting for" in process.stderr.readline()
                and "trials: " in process.stderr.readline()
            )
            process.send_signal(number)
            assert process.wait(timeout=5) == code
            assert process.stderr.read() == ""
    assert search(store).state == "running"


def test_a_store_that_cannot_be_written_to_is_a_warning(tmp_path: Path, store: Store) -> None:
    store.root.write_text("not a folder")
    with answering(tmp_path, OVER) as api:
        done = wait(api, store)
    assert done.returncode == 0
    assert said(done.stderr)[0] == f"cannot write {store.model('digits').search}: Not a directory"


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["--timeout", "9"], "--namespace"),
        (["--namespace", NAMESPACE], "--timeout"),
        (["--namespace", "a/b", "--timeout", "9"], "'a/b' is not allowed; allowed: at most 63 lower-case letters"),
        (["--namespace", NAMESPACE, "--timeout", "0"], "'0': must be a whole number, 1 to 31536000"),
    ],
)
def test_wrong_arguments_are_named(tmp_path: Path, store: Store, arguments: list[str], wrong: str) -> None:
    done = Api(tmp_path, []).run("wait", *arguments, store=store)
    assert done.returncode == 2 and wrong in done.stderr
    assert not store.root.exists()
