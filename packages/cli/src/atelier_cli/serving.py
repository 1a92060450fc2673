"""The real server as a child process, and questions to it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
from atelier_store.arrays import open_arrays
from atelier_store.layout import Store
from atelier_store.records import DataDescription

from atelier_cli.search.signals import ctrl_c_kept_from_children

PATIENCE = 60.0
"""Seconds that a server gets to load its model."""


class NotServing(RuntimeError):
    """The server ended, or did not get ready."""


@dataclass(frozen=True)
class Sample:
    """One test row: what it is, and what the server says it is."""

    row: int
    truth: str
    prediction: str
    probability: float | None
    is_right: bool


def check_free(host: str, port: int) -> None:
    """NotServing if nobody could listen there now."""
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        raise NotServing(
            f"cannot listen on {host} port {port}: {_plain(error)}; choose another with --host or --port"
        ) from error


def _plain(error: OSError) -> str:
    """What the system says of it, without what Python adds."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror or error)


@contextmanager
def serving(store: Store, model: str, host: str, port: int) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server of the model while the block runs: its address, and its process. NotServing if it does not get ready."""
    command = [
        sys.executable,
        "-m",
        "atelier_server",
        "--log-level",
        "warning",
        "serve",
        "--store",
        str(store.root),
        "--model",
        model,
    ]
    with ctrl_c_kept_from_children():
        process = subprocess.Popen([*command, "--host", host, "--port", str(port)])
    address = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{port}"  # noqa: S104  # compared, not listened on
    try:
        _wait_until_ready(process, address, model)
        yield address, process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], address: str, model: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise NotServing(f"the server ended with exit code {process.returncode}; its message is above")
        try:
            if httpx.get(f"{address}/v2/models/{model}/ready", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass  # it does not listen yet
        time.sleep(0.05)
    raise NotServing(f"the server at {address} did not load {model} within {PATIENCE:.0f} s")


def predict_samples(address: str, store: Store, description: DataDescription, count: int = 8) -> list[Sample]:
    """Ask the server for test rows, evenly spread over the test set. httpx.HTTPError if it does not answer well."""
    arrays = open_arrays(store.data(description.digest))
    total = len(arrays["test_x"])
    rows = sorted({int(row) for row in np.linspace(0, total - 1, min(count, total))}) if total else []
    if not rows:
        return []
    answer = httpx.post(
        f"{address}/predict", json={"instances": arrays["test_x"][rows].tolist()}, timeout=30
    ).raise_for_status()
    truths = arrays["test_y"][rows].tolist()
    return [
        _sample(row, truth, said, description)
        for row, truth, said in zip(rows, truths, answer.json()["predictions"], strict=True)
    ]


def _sample(row: int, truth: Any, said: dict[str, Any], description: DataDescription) -> Sample:
    if description.labels is not None:
        label = description.labels[truth]
        return Sample(row, label, said["label"], said["probability"], said["label"] == label)
    values = said["value"] if isinstance(said["value"], list) else [said["value"]]
    return Sample(row, _numbers(truth), _numbers(values), None, True)


def _numbers(values: list[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
