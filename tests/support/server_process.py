"""A real server process and a client for it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from atelier_store.layout import Store
from prometheus_client.parser import text_string_to_metric_families


def eventually(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The first true result of condition."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


class Server:
    """A server process and a client for it; its log is a file beside the store.

    It has one worker on every machine, unless the arguments say otherwise.
    """

    def __init__(
        self,
        store: Store,
        model: str = "digits",
        *arguments: str,
        preexec_fn: Callable[[], object] | None = None,
    ) -> None:
        store.root.parent.mkdir(parents=True, exist_ok=True)
        self.store, self.model = store, model
        self._log = store.root.parent / f"server-{os.urandom(3).hex()}.log"
        command = [sys.executable, "-m", "atelier_server", "serve", "--store", str(store.root), "--model", model]
        command += ["--port", "0", "--workers", "1", *arguments]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=preexec_fn)
        try:
            self.url = eventually(self._address, 60)
            self.client = httpx.Client(base_url=self.url, timeout=30, verify=False)  # it reads no certificates
            self.client.get("/v2/health/live").raise_for_status()
        except BaseException:
            self.process.kill()  # its workers end with it
            raise

    @property
    def log(self) -> str:
        return self._log.read_text()

    def _address(self) -> str | None:
        """Where it listens, once its log says so."""
        assert self.process.poll() is None, self.log
        found = re.search(r" on (http://\S+)", self.log)
        return found and found[1]

    def is_ready(self) -> bool:
        """Whether its model is loaded."""
        return self.client.get("/v2/health/ready").is_success

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def alone(self, method: str, path: str, **content: Any) -> httpx.Response:
        """The answer over a connection of its own, which any worker may take; no certificates are read for it."""
        return httpx.request(method, self.url + path, timeout=60, verify=False, **content)

    def version(self) -> str | None:
        """The version that is served now."""
        response = self.client.get("/model")
        return response.json()["version"] if response.status_code == 200 else None

    def stop(self, with_signal: int = signal.SIGTERM) -> int:
        """Exit status."""
        self.client.close()
        self.process.send_signal(with_signal)
        return self.process.wait(timeout=30)

    def samples(self, name: str, **labels: str) -> list[float]:
        """The values of a metric, of those that have these labels."""
        families = text_string_to_metric_families(self.client.get("/metrics").text)
        samples = [sample for family in families for sample in family.samples]
        return [sample.value for sample in samples if sample.name == name and labels.items() <= sample.labels.items()]

    def metric(self, name: str, **labels: str) -> float:
        """A sample's value; 0 if it is not there."""
        return next(iter(self.samples(name, **labels)), 0.0)


def workers(server: Server) -> list[int]:
    """The process ids of the workers."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
    return [int(pid) for pid in children.split()]


def ready_workers(server: Server) -> int:
    """How many workers have looked at the pointer and serve; one that starts later begins with what is current then."""
    return len(server.samples("atelier_requests_in_flight"))


def in_flight(server: Server) -> float:
    """Requests under way, as of each worker's last beat; the one that asks may be among them."""
    return sum(server.samples("atelier_requests_in_flight"))


def status_field(pid: int, name: str) -> int:
    """Bytes that /proc names of a process: VmRSS, or VmHWM for the most that it ever had."""
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024


@contextmanager
def serving(
    store: Store, model: str = "digits", *arguments: str, preexec_fn: Callable[[], object] | None = None
) -> Iterator[Server]:
    server = Server(store, model, *arguments, preexec_fn=preexec_fn)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """The problem details that a response with this status carries."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["instance"] == response.request.url.path
    assert body["type"] and body["title"] and body["detail"]
    return body


def errors(response: httpx.Response, status: int) -> dict[str, str]:
    """Pointer to detail of every violation."""
    return {error["pointer"]: error["detail"] for error in problem(response, status)["errors"]}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """One command of the server's program, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "atelier_server", *arguments], capture_output=True, text=True, timeout=60
    )
