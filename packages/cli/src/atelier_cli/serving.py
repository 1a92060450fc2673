"""The real server as a child process, and a client for it, which asks no proxy of the environment for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import numpy as np
from atelier_store import addresses
from atelier_store import columns as table
from atelier_store.arrays import open_arrays
from atelier_store.instances import instances
from atelier_store.layout import Store
from atelier_store.records import DataDescription

from atelier_cli.errors import CannotServe
from atelier_cli.signals import ctrl_c_blocked_in_children

START_TIMEOUT = 600.0
"""Seconds that a server gets to load its model, as the chart gives it: a starved machine takes minutes."""


@dataclass(frozen=True)
class Sample:
    """One test row: its true value, and the server's prediction."""

    row: int
    truth: str
    prediction: str
    probability: float | None
    is_right: bool


def check_free(host: str, port: int) -> None:
    """Raise CannotServe if nothing can listen there now."""
    try:
        addresses.listen(host, port).close()
    except OSError as error:
        reason = _reason(error)
        advice = "choose another with --host or --port"
        raise CannotServe(f"cannot listen on {host} port {port}: {reason}; {advice}") from error


def _reason(error: OSError) -> str:
    """The system's own message, without what Python adds."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror or error)


@contextmanager
def serving(store: Store, model: str, host: str, port: int) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run a server of the model during the block: its address and its process. CannotServe if it does not get ready."""
    command = [sys.executable, "-m", "atelier_server", "--log-level", "warning", "serve"]
    command += ["--store", str(store.root), "--model", model, "--host", host, "--port", str(port)]
    with ctrl_c_blocked_in_children():
        process = subprocess.Popen(command)
    address = addresses.url(addresses.reachable(host), port)
    try:
        _wait_until_ready(process, address, model)
        yield address, process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], address: str, model: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise CannotServe(f"the server ended with exit code {process.returncode}; its message is above")
        try:
            if httpx2.get(f"{address}/v2/models/{model}/ready", timeout=5, trust_env=False).status_code == 200:
                return
        except httpx2.TransportError:
            pass  # it does not listen yet
        time.sleep(0.05)
    raise CannotServe(f"the server at {address} did not load {model} within {START_TIMEOUT:.0f} s")


def predict_samples(address: str, store: Store, description: DataDescription, count: int = 8) -> list[Sample]:
    """Predictions of test rows, evenly spread over the test set. CannotServe if the server does not give them."""
    arrays = open_arrays(store.data(description.digest), description)
    total = len(arrays["test_x"])
    rows = sorted({int(row) for row in np.linspace(0, total - 1, min(count, total))}) if total else []
    if not rows:
        return []
    x = np.asarray(arrays["test_x"][rows])
    columns = description.columns
    try:
        body = {"instances": x.tolist() if columns is None else instances(table.inputs(x, columns), columns)}
        response = httpx2.post(f"{address}/predict", json=body, timeout=30, trust_env=False).raise_for_status()
    except httpx2.HTTPError as error:
        raise CannotServe(f"{address}/predict: {error}") from error
    truths, predictions = arrays["test_y"][rows].tolist(), response.json()["predictions"]
    return [
        _sample(row, truth, prediction, description)
        for row, truth, prediction in zip(rows, truths, predictions, strict=True)
    ]


def _sample(row: int, truth: Any, prediction: dict[str, Any], description: DataDescription) -> Sample:
    if description.task == "multilabel":
        labels = [name for name, given in zip(description.labels or (), truth, strict=True) if given]
        return Sample(row, _listed(labels), _listed(prediction["labels"]), None, prediction["labels"] == labels)
    if description.labels is not None:
        label = description.labels[truth]
        return Sample(row, label, prediction["label"], prediction["probability"], prediction["label"] == label)
    value = prediction["value"]
    values = [*value.values()] if isinstance(value, dict) else value if isinstance(value, list) else [value]
    return Sample(row, _numbers(truth), _numbers(values), None, True)


def _listed(labels: list[str]) -> str:
    return ", ".join(labels) or "none"


def _numbers(values: list[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
