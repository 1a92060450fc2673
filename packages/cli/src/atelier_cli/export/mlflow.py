"""A search as runs of MLflow, by its REST API: the search is a run, and its trials are runs below it.

Sent again, it changes nothing but what has changed: a run is found by its tags, and has, as the last thing that is
sent, the digest of all that it holds.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
from atelier_store import lease
from atelier_store.files import sha256_file
from atelier_store.layout import Store
from atelier_store.records import DataDescription
from atelier_store.spec import Spec, public_url, sha256_of

from atelier_cli.errors import CannotExport
from atelier_cli.export.trials import Trial

STATUS = {
    "running": "RUNNING",
    "paused": "FINISHED",
    "stopped": "KILLED",
    "succeeded": "FINISHED",
    "over_budget": "KILLED",
    "failed": "FAILED",
    "rejected": "FAILED",
}
PARENT = "mlflow.parentRunId"
SEARCH, TRIAL, EXPORTED = "atelier.experiment", "atelier.trial", "atelier.exported"
MOST_METRICS, MOST_PARAMS = 1000, 100
LONGEST_TEXT = 5000
"""Characters of a tag or a parameter that every release of MLflow takes: its own limits are from 5,000 to 8,000."""
DIGEST_LENGTH = 36
"""Characters of a digest that MLflow keeps of a data set; a tag has all of it."""
TIMEOUT = httpx2.Timeout(60)


@dataclass
class Sent:
    """How many runs were new, had changed, or were there already."""

    new: int = 0
    changed: int = 0
    same: int = 0


def export(
    address: str, experiment: str, store: Store, spec: Spec, trials: Sequence[Trial], step: Callable[[str], object]
) -> Sent:
    """Send a search to the MLflow server at address, below its experiment of this name. CannotExport."""
    with _connected(address) as server:
        sent = Sent()
        experiment_id = server.experiment(experiment)
        search = _search(store, spec, trials)
        parent = server.send(experiment_id, server.find(experiment_id, {SEARCH: spec.experiment_name}), search, sent)
        known = server.below(experiment_id, parent)
        for trial in trials:
            step(trial.entry.trial)
            run = _trial(store, spec, trial, parent)
            server.send(experiment_id, known.get(trial.entry.trial), run, sent)
    return sent


# what a run holds


@dataclass(frozen=True)
class Run:
    """What is sent of a search or a trial. metrics has a map for each step, with its time; files keep their names.

    A step is an epoch; of a search it is the number of epochs that all of its trials have trained.
    """

    name: str
    status: str
    started_at: datetime
    ended_at: datetime | None
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Sequence[tuple[int, datetime, Mapping[str, float]]]
    files: Sequence[Path]
    data: Mapping[str, Any] | None

    @property
    def digest(self) -> str:
        """sha256 of all of it."""
        files = {path.name: sha256_file(path) for path in self.files}
        steps = [(step, str(time), dict(values)) for step, time, values in self.metrics]
        times = [str(self.started_at), str(self.ended_at)]
        return sha256_of([self.name, self.status, times, self.tags, self.params, steps, files, self.data])


def _search(store: Store, spec: Spec, trials: Sequence[Trial]) -> Run:
    experiment = store.experiment(spec.experiment_name)
    is_running = lease.holder(experiment.lease) is not None
    best = next((trial for trial in trials if trial.entry.rank == 1), None)
    starts = [trial.started_at or trial.suggested_at for trial in trials]
    ends = [trial.ended_at for trial in trials if trial.ended_at]
    objective = spec.experiment.objective
    values = best.card.metrics if best and best.card else {}
    spent = sum(len(trial.curve) for trial in trials)
    tags = {
        SEARCH: spec.experiment_name,
        "atelier.search_digest": spec.search_digest,
        "atelier.objective": f"{objective.type} {objective.objective_metric_name}",
        **({"atelier.best_trial": best.entry.trial, "atelier.key": best.entry.key or ""} if best else {}),
    }
    space = {f"parameters.{one.name}": one.feasible_space for one in spec.experiment.parameters}
    params = {
        "algorithm": spec.experiment.algorithm.algorithm_name,
        "early_stopping": spec.experiment.early_stopping.algorithm_name,
        "max_trial_count": str(spec.experiment.max_trial_count),
        "max_epochs": str(spec.trainer.max_epochs),
        "seed": str(spec.trainer.seed),
        **{name: one.model_dump_json(by_alias=True, exclude_none=True) for name, one in space.items()},
    }
    started = min(starts, default=datetime.fromtimestamp(experiment.spec.stat().st_mtime).astimezone())
    ended = None if is_running else max(ends, default=started)
    return Run(
        name=spec.experiment_name,
        status="RUNNING" if is_running else "FINISHED",
        started_at=started,
        ended_at=ended,
        tags=tags,
        params=params,
        metrics=[(spent, ended or started, values)],
        files=[path for path in (experiment.spec, experiment.leaderboard) if path.exists()],
        data=_data(store, spec, trials),
    )


def _trial(store: Store, spec: Spec, trial: Trial, parent: str) -> Run:
    entry, paths = trial.entry, trial.paths
    started = trial.started_at or trial.ended_at or trial.suggested_at
    curve = [(epoch.epoch, datetime.fromisoformat(epoch.finished_at), epoch.metrics) for epoch in trial.curve]
    if trial.is_made and trial.card is not None and trial.card.metrics:
        curve = [(0, started, trial.card.metrics)]
    tags = {
        PARENT: parent,
        SEARCH: spec.experiment_name,
        TRIAL: entry.trial,
        "atelier.status": entry.status,
        **{
            f"atelier.{name}": str(value)
            for name, value in (
                ("key", entry.key),
                ("rank", entry.rank),
                ("reason", entry.reason),
                ("architecture", entry.architecture),
                ("parent", trial.parent),
                ("params", entry.params),
                ("macs", entry.macs),
                ("latency_p50_ms", entry.latency_p50_ms),
                ("data_digest", trial.config and trial.config.data_digest),
            )
            if value is not None
        },
    }
    files = (paths.config, paths.card, paths.metrics, paths.bundle.manifest) if paths else ()
    bundle = (paths.bundle.network,) if paths and entry.rank == 1 else ()
    return Run(
        name=entry.trial,
        status=STATUS[entry.status],
        started_at=started,
        ended_at=None if entry.status == "running" else max(started, trial.ended_at or started),
        tags=tags,
        params=trial.parameters,
        metrics=curve,
        files=[path for path in (*files, *bundle) if path.exists()],
        data=_data(store, spec, [trial]),
    )


def _data(store: Store, spec: Spec, trials: Sequence[Trial]) -> dict[str, Any] | None:
    """The data set, as MLflow describes one; None if no trial has begun."""
    digest = next((trial.config.data_digest for trial in trials if trial.config), None)
    if digest is None:
        return None
    description = DataDescription.read_if_whole(store.data(digest).description)
    rows = {"num_rows": description.train_rows, "num_test_rows": description.test_rows} if description else {}
    words = spec.trainer.data.words
    return {
        "name": words,
        "digest": digest[:DIGEST_LENGTH],
        "source_type": "atelier",
        "source": json.dumps({"source": words, "sha256": digest}),
        "profile": json.dumps(rows),
    }


# the server


@contextmanager
def _connected(address: str) -> Iterator[_Server]:
    """A server of MLflow, with the credentials of the environment, under the names of MLflow's own client."""
    token, user = os.environ.get("MLFLOW_TRACKING_TOKEN"), os.environ.get("MLFLOW_TRACKING_USERNAME")
    password = os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    basic = httpx2.BasicAuth(user, password) if user and not token else None
    shown = public_url(address)
    try:
        url = httpx2.URL(address)
        if url.scheme not in ("http", "https") or not url.host or url.userinfo:
            raise CannotExport(
                f"--tracking-uri: {shown} is not the address of an MLflow server; allowed: http:// or https:// and a "
                "host, without a password, which goes into MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )
        with httpx2.Client(base_url=url, headers=headers, auth=basic, timeout=TIMEOUT) as client:
            yield _Server(client, shown)
    except httpx2.InvalidURL as error:
        raise CannotExport(f"--tracking-uri: {shown}: {error}") from error
    except (httpx2.RequestError, ImportError) as error:  # ImportError: a socks proxy, which needs a package
        raise CannotExport(f"{shown} cannot be reached: {str(error) or type(error).__name__}") from error


class _Server:
    """MLflow's REST API 2.0. Its methods raise CannotExport, or httpx2.RequestError."""

    def __init__(self, client: httpx2.Client, shown: str) -> None:
        self._client, self._shown = client, shown

    def experiment(self, name: str) -> str:
        """The id of the experiment of this name, which is made if there is none."""
        found = self._call("GET", "experiments/get-by-name", {"experiment_name": name}, missing_is_none=True)
        if found is None:
            return str(self._call("POST", "experiments/create", {"name": name})["experiment_id"])
        if found["experiment"].get("lifecycle_stage") == "deleted":
            raise CannotExport(f"{self._shown}: the experiment {name!r} is deleted; restore it, or choose another name")
        return str(found["experiment"]["experiment_id"])

    def find(self, experiment_id: str, tags: Mapping[str, str]) -> Any:
        """The run of a search that has these tags."""
        runs = self._search(experiment_id, " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items()))
        return next((run for run in runs if PARENT not in _tags(run)), None)

    def below(self, experiment_id: str, parent: str) -> dict[str, Any]:
        """The runs of the trials, by their names in the search."""
        runs = self._search(experiment_id, f"tags.`{PARENT}` = '{parent}'")
        return {tags[TRIAL]: run for run in runs if TRIAL in (tags := _tags(run))}

    def send(self, experiment_id: str, known: Any, run: Run, sent: Sent) -> str:
        """Make a run, or bring the one that is known up to date; its id."""
        digest = run.digest
        if known is not None and _tags(known).get(EXPORTED) == digest:
            sent.same += 1
            return str(known["info"]["run_id"])
        if known is None:
            sent.new += 1
            tags = [{"key": name, "value": run.tags[name]} for name in (PARENT, SEARCH, TRIAL) if name in run.tags]
            start = {"experiment_id": experiment_id, "run_name": run.name, "start_time": _milliseconds(run.started_at)}
            known = self._call("POST", "runs/create", {**start, "tags": tags})["run"]
        else:
            sent.changed += 1
        run_id = str(known["info"]["run_id"])
        self._log(run_id, run, known)
        if run.data is not None:
            dataset = {"dataset": run.data, "tags": [{"key": "mlflow.data.context", "value": "training"}]}
            self._call("POST", "runs/log-inputs", {"run_id": run_id, "datasets": [dataset]})
        for path in run.files:
            self._upload(str(known["info"]["artifact_uri"]), path)
        update = {"run_id": run_id, "status": run.status, "run_name": run.name}
        ended = {"end_time": _milliseconds(run.ended_at)} if run.ended_at else {}
        self._call("POST", "runs/update", update | ended)
        self._call("POST", "runs/set-tag", {"run_id": run_id, "key": EXPORTED, "value": digest})
        return run_id

    def _log(self, run_id: str, run: Run, known: Any) -> None:
        """All tags, and the parameters and steps that the run does not have."""
        data = known.get("data", {})
        last = max((int(metric.get("step", 0)) for metric in data.get("metrics", [])), default=-1)
        metrics = [
            {"key": name, "value": value, "step": step, "timestamp": _milliseconds(time)}
            for step, time, values in run.metrics
            if step > last
            for name, value in values.items()
        ]
        has = {param["key"] for param in data.get("params", [])}
        params = [{"key": _name(k), "value": v[:LONGEST_TEXT]} for k, v in run.params.items() if _name(k) not in has]
        tags = [{"key": name, "value": value[:LONGEST_TEXT]} for name, value in run.tags.items()]
        self._call("POST", "runs/log-batch", {"run_id": run_id, "tags": tags})
        for start in range(0, len(params), MOST_PARAMS):
            self._call("POST", "runs/log-batch", {"run_id": run_id, "params": params[start : start + MOST_PARAMS]})
        for start in range(0, len(metrics), MOST_METRICS):
            self._call("POST", "runs/log-batch", {"run_id": run_id, "metrics": metrics[start : start + MOST_METRICS]})

    def _upload(self, uri: str, path: Path) -> None:
        """Put a file among the run's artifacts, through the server."""
        served = re.match(r"mlflow-artifacts:(?://[^/]*)?/(.*)", uri)
        if served is None:
            raise CannotExport(
                f"{self._shown} keeps artifacts at {public_url(uri)}, where only its clients can write; "
                "start it with --serve-artifacts, its default"
            )
        place = quote(f"{served[1]}/{path.name}")
        answer = self._client.put(f"/api/2.0/mlflow-artifacts/artifacts/{place}", content=path.read_bytes())
        self._check(answer)

    def _search(self, experiment_id: str, condition: str) -> Iterator[Any]:
        query: dict[str, Any] = {"experiment_ids": [experiment_id], "filter": condition, "max_results": 1000}
        while True:
            page = self._call("POST", "runs/search", query)
            yield from page.get("runs", [])
            if not page.get("next_page_token"):
                return
            query["page_token"] = page["next_page_token"]

    def _call(self, method: str, path: str, body: dict[str, Any], missing_is_none: bool = False) -> Any:
        url = f"/api/2.0/mlflow/{path}"
        by_get = method == "GET"
        answer = self._client.get(url, params=body) if by_get else self._client.post(url, json=body)
        if (
            missing_is_none
            and answer.status_code == httpx2.codes.NOT_FOUND
            and "RESOURCE_DOES_NOT_EXIST" in answer.text
        ):
            return None
        self._check(answer)
        try:
            return answer.json()
        except ValueError as error:
            raise CannotExport(f"{self._shown}: /{path} gives no JSON; is it an MLflow server?") from error

    def _check(self, answer: httpx2.Response) -> None:
        """Raise CannotExport, with what the server said, if it has refused."""
        if answer.is_success:
            return
        if answer.status_code in (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN):
            names = "MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            raise CannotExport(f"{self._shown}: {answer.status_code}; the environment's {names} give no access")
        try:
            said = str(answer.json()["message"])
        except (ValueError, KeyError, TypeError):
            said = answer.text.strip()[:200] or answer.reason_phrase
        raise CannotExport(f"{self._shown}: {answer.request.url.path}: {answer.status_code}: {said}")


def _tags(run: Any) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in run.get("data", {}).get("tags", [])}


def _name(name: str) -> str:
    """The name with what MLflow does not allow in one replaced."""
    return re.sub(r"[^/\w.\- ]", "_", name)


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)
