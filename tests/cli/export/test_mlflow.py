"""A real MLflow server with SQLite holds a search as a run, and its trials as runs below it.

MLflow is 0.6 GB with what it needs: it runs in an environment of its own, and these tests with `make soak`.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import pytest
from atelier_cli.export import mlflow
from atelier_cli.export.trials import trials
from atelier_store.files import sha256_file
from atelier_store.layout import Store
from atelier_store.spec import Spec

from tests.cli.export.conftest import ORDER, SUGGESTED
from tests.support.experiments import add_curve
from tests.support.searches import atelier
from tests.support.server_process import eventually, free_port

pytestmark = [pytest.mark.process, pytest.mark.soak]

MLFLOW = "mlflow==3.17.2"
PATIENCE = 600
"""Seconds that MLflow gets to be installed and to start."""


@pytest.fixture(scope="module")
def server(uv: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server."""
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    own = os.environ.get("ATELIER_MLFLOW")  # one that is installed already
    isolated = [uv, "run", "--quiet", "--isolated", "--no-project", "--python", "3.11", "--with", MLFLOW, "mlflow"]
    command = [*([own] if own else isolated), "server", "--workers", "1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder}/runs.db", "--artifacts-destination", str(folder / "files")]
    address = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            eventually(lambda: is_healthy(address), PATIENCE)
            yield address
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)


def is_healthy(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health").is_success
    except httpx.TransportError:
        return False


class Runs:
    """What the server has of an experiment."""

    def __init__(self, address: str, experiment: str) -> None:
        self.client = httpx.Client(base_url=f"{address}/api/2.0", timeout=60)
        found = self.get("mlflow/experiments/get-by-name", experiment_name=experiment)
        searched = {"experiment_ids": [found["experiment"]["experiment_id"]], "max_results": 1000}
        self.all = self.client.post("mlflow/runs/search", json=searched).raise_for_status().json()["runs"]
        self.by_name = {run["info"]["run_name"]: run for run in self.all}

    def get(self, path: str, **parameters: Any) -> Any:
        return self.client.get(path, params=parameters).raise_for_status().json()

    def history(self, run: Any, metric: str) -> list[tuple[int, int, float]]:
        """Steps, times and values of a metric."""
        found = self.get("mlflow/metrics/get-history", run_id=run["info"]["run_id"], metric_key=metric)
        return [(int(one.get("step", 0)), int(one["timestamp"]), one["value"]) for one in found.get("metrics", [])]

    def file(self, run: Any, name: str) -> bytes:
        place = run["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
        return self.client.get(f"mlflow-artifacts/artifacts/{place}/{name}").raise_for_status().content


def tags(run: Any) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in run["data"]["tags"]}


def export(store: Store, server: str, experiment: str) -> str:
    arguments = "--store", str(store.root), "--tracking-uri", server, "--mlflow-experiment", experiment
    done = atelier("export", "mlflow", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_search_is_a_run_with_its_trials_below_it(
    store: Store, searched: Spec, server: str, request: pytest.FixtureRequest
) -> None:
    name = searched.experiment_name
    assert (
        export(store, server, request.node.name) == f"{name}: {len(ORDER) + 1} runs new, 0 changed, 0 there already\n"
    )
    runs = Runs(server, request.node.name)
    parent = runs.by_name[name]
    below = {
        run["info"]["run_name"] for run in runs.all if tags(run).get("mlflow.parentRunId") == parent["info"]["run_id"]
    }
    assert below == {*ORDER} and len(runs.all) == len(ORDER) + 1
    assert tags(parent)["atelier.best_trial"] == "tail" and parent["info"]["status"] == "FINISHED"
    assert {name: runs.by_name[name]["info"]["status"] for name in ORDER[:7]} == {
        "succeeded": "FINISHED",
        "paused": "FINISHED",
        "running": "RUNNING",
        "failed": "FAILED",
        "over": "KILLED",
        "tail": "FINISHED",
        "refused": "FAILED",
    }
    assert tags(runs.by_name["refused"])["atelier.reason"] == "lr: 9 is too much"


def test_a_trial_has_parameters_curve_times_data_and_files(
    store: Store, searched: Spec, server: str, request: pytest.FixtureRequest
) -> None:
    export(store, server, request.node.name)
    runs = Runs(server, request.node.name)
    run, tail = runs.by_name["paused"], runs.by_name["tail"]
    assert {param["key"]: param["value"] for param in run["data"]["params"]} == SUGGESTED
    trial = next(one for one in trials(store, searched) if one.entry.trial == "paused")
    times = [round(datetime.fromisoformat(epoch.finished_at).timestamp() * 1000) for epoch in trial.curve]
    assert runs.history(run, "val_accuracy") == [(1, times[0], 0.25), (2, times[1], 0.5)]
    assert trial.started_at and int(run["info"]["start_time"]) == round(trial.started_at.timestamp() * 1000)
    assert run["info"]["end_time"] >= run["info"]["start_time"]
    assert trial.paths and runs.file(run, "card.json") == trial.paths.card.read_bytes()
    best = store.trial(tags(tail)["atelier.key"]).bundle.network
    (store.root / "fetched").write_bytes(runs.file(tail, "model.onnx"))
    assert sha256_file(store.root / "fetched") == sha256_file(best)
    (dataset,) = run["inputs"]["dataset_inputs"]
    assert (dataset["dataset"]["name"], dataset["dataset"]["digest"]) == ("sklearn digits", "d" * 36)
    assert tags(run)["atelier.data_digest"] == "d" * 64


def test_a_second_export_sends_only_what_has_changed(
    store: Store, searched: Spec, server: str, request: pytest.FixtureRequest
) -> None:
    experiment, name = request.node.name, searched.experiment_name
    export(store, server, experiment)
    before = Runs(server, experiment)
    assert export(store, server, experiment) == f"{name}: 0 runs new, 0 changed, {len(ORDER) + 1} there already\n"
    key = tags(before.by_name["running"])["atelier.key"]
    values = [
        epoch.metrics["val_accuracy"] for epoch in next(t for t in trials(store, searched) if t.entry.key == key).curve
    ]
    store.trial(key).metrics.unlink()
    add_curve(store, key, "val_accuracy", [*values, 0.6])
    export(store, server, experiment)
    after = Runs(server, experiment)
    assert len(after.all) == len(before.all)
    assert [value for _, _, value in after.history(after.by_name["running"], "val_accuracy")] == [*values, 0.6]
    assert len(after.history(after.by_name["paused"], "val_accuracy")) == 2


def test_an_export_that_was_killed_is_completed_by_the_next_one(
    store: Store, searched: Spec, server: str, request: pytest.FixtureRequest
) -> None:
    def stop(trial: str) -> None:
        if trial == "running":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mlflow.export(server, request.node.name, store, searched, trials(store, searched), stop)
    name = searched.experiment_name
    said = export(store, server, request.node.name)
    assert said == f"{name}: {len(ORDER) - 2} runs new, 0 changed, 3 there already\n"
    assert len(Runs(server, request.node.name).all) == len(ORDER) + 1
