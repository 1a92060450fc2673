"""An HTTP server that serves one Experiment as the Kubernetes API does, and the commands run against it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from atelier_store.layout import Store

from tests.support.called import called

NAME, NAMESPACE = "digits-nas-0123abcd", "research"
PATH = f"/apis/kubeflow.org/v1beta1/namespaces/{NAMESPACE}/experiments/{NAME}"
EVENTS = f"/api/v1/namespaces/{NAMESPACE}/events"
TRIALS = f"/apis/kubeflow.org/v1beta1/namespaces/{NAMESPACE}/trials"
SUGGESTION = f"/apis/kubeflow.org/v1beta1/namespaces/{NAMESPACE}/suggestions/{NAME}"

Answer = Callable[[BaseHTTPRequestHandler], None]


def json_answer(body: Any, status: int = 200) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        content = json.dumps(body).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    return answer


def error(status: int, message: str) -> Answer:
    return json_answer(
        {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": status}, status
    )


def bare_error(request: BaseHTTPRequestHandler) -> None:
    """What a proxy between says: no JSON, not even a type."""
    request.send_response(502)
    request.send_header("Content-Length", "0")
    request.end_headers()


def torn(request: BaseHTTPRequestHandler) -> None:
    """The connection breaks in the middle of the answer."""
    request.send_response(200)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", "1000")
    request.end_headers()
    request.wfile.write(b'{"kind": "Exp')


MISSING = error(404, f'experiments.kubeflow.org "{NAME}" not found')


def experiment(
    *conditions: tuple[str, str, str], pick: dict[str, Any] | None = None, of: int = 12, **status: int
) -> dict[str, Any]:
    """An Experiment as Katib 0.19 writes it.

    A condition is (type, reason, message); the last is in force, after Created.
    """
    shown = [{"type": "Created", "status": "True", "reason": "ExperimentCreated", "message": "Experiment is created"}]
    for number, (kind, reason, message) in enumerate(conditions, 1):
        in_force = "True" if number == len(conditions) else "False"
        shown.append(
            {
                "type": kind,
                "status": in_force,
                "reason": reason,
                "message": message,
                "lastUpdateTime": "2026-01-02T03:04:05Z",
            }
        )
    objective: dict[str, Any] = {"type": "maximize", "objectiveMetricName": "val_accuracy"}
    objective["metricStrategies"] = [{"name": "val_accuracy", "value": "max"}]
    return {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "uid": "6b2f"},
        "spec": {
            "objective": objective,
            "maxTrialCount": of,
            "parallelTrialCount": 2,
            "trialTemplate": {"retain": True},
        },
        "status": {
            "conditions": shown,
            "currentOptimalTrial": pick or {"observation": {}},
            "runningTrialList": ["a"],
            **status,
        },
    }


def picked(trial: str, value: str, **others: str) -> dict[str, Any]:
    metric = {"name": "val_accuracy", "min": "0.1", "max": value, "latest": "0.2", **others}
    observation = {"metrics": [{"name": "val_loss", "min": "0", "max": "9", "latest": "1"}, metric]}
    return {
        "bestTrialName": trial,
        "parameterAssignments": [{"name": "lr", "value": "0.01"}],
        "observation": observation,
    }


RUNNING = ("Running", "ExperimentRunning", "Experiment is running")
SUCCEEDED = ("Succeeded", "ExperimentMaxTrialsReached", "Experiment has succeeded because max trial count has reached")
FAILED = ("Failed", "ExperimentFailed", "Experiment has failed because max failed trial count has reached")


def event(kind: str, name: str, reason: str, message: str, at: str = "2026-01-02T03:04:05Z") -> dict[str, Any]:
    """A Warning as the API server has it."""
    return {
        "metadata": {"name": f"{name}.17", "namespace": NAMESPACE, "creationTimestamp": at},
        "involvedObject": {"kind": kind, "name": name, "namespace": NAMESPACE},
        "type": "Warning",
        "reason": reason,
        "message": message,
        "lastTimestamp": at,
    }


@dataclass
class Api:
    """Gives its answers one after the other, the last for ever. asked holds the path of every request for it.

    events are the Warnings of the namespace. An Experiment that is deleted is away until one is created; changed holds
    methods with their bodies or queries. trials and suggestions say how often those of a deleted one are still seen.
    """

    folder: Path
    answers: list[Answer]
    asked: list[str] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    changed: list[tuple[str, Any]] = field(default_factory=list)
    trials: int = 0
    suggestions: int = 0

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path, _, query = request.path.partition("?")
        if path == EVENTS:
            return json_answer({"kind": "EventList", "apiVersion": "v1", "metadata": {}, "items": self.events})(request)
        if request.command != "GET":
            body = json.loads(request.rfile.read(int(request.headers.get("Content-Length") or 0)) or "null")
            self.changed.append((request.command, body or query))
            return json_answer(body or {})(request)
        self.asked.append(request.path)
        if path == TRIALS:
            self.trials -= 1
            items = [{"metadata": {"name": f"{NAME}-x7k2p"}}] if self.trials >= 0 else []
            return json_answer({"kind": "TrialList", "apiVersion": "kubeflow.org/v1beta1", "items": items})(request)
        if path == SUGGESTION:
            self.suggestions -= 1
            return (json_answer({"metadata": {"name": NAME}}) if self.suggestions >= 0 else MISSING)(request)
        if self.changed and self.changed[-1][0] == "DELETE":
            return MISSING(request)
        if request.path != PATH or request.headers["Authorization"] != "Bearer token":
            return error(403, f"forbidden: {request.path}")(request)
        return (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])(request)

    def command(self, *arguments: str, store: Store) -> tuple[list[str], dict[str, str]]:
        """A command of the server, and an environment in which it finds this API."""
        given = ["--store", str(store.root), "--experiment", NAME, "--model", "digits"]
        environment = os.environ | {"KUBECONFIG": str(self.folder / "kubeconfig"), "NO_PROXY": "*"}
        return [sys.executable, "-m", "atelier_server", *arguments, *given], environment

    def run(self, *arguments: str, store: Store) -> subprocess.CompletedProcess[str]:
        (_, _, _, *command), environment = self.command(*arguments, store=store)
        return called(*command, environment=environment)


@contextmanager
def answering(folder: Path, *answers: Answer) -> Iterator[Api]:
    """An API that is there, and a kubeconfig for it in the folder."""
    api = Api(folder, list(answers))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            api.answer(self)

        do_POST = do_DELETE = do_GET

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        write_kubeconfig(folder, server.server_port)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield api
        finally:
            server.shutdown()
            thread.join()


def write_kubeconfig(folder: Path, port: int) -> None:
    config = {
        "current-context": "tests",
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests", "namespace": "other"}}],
        "clusters": [{"name": "tests", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "tests", "user": {"token": "token"}}],
    }
    (folder / "kubeconfig").write_text(json.dumps(config))
