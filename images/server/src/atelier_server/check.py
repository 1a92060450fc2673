"""The `check` command: whether a running server answers correctly, over HTTP and from where its users are."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from atelier_store import tokens
from atelier_store.bundle import reference
from atelier_store.columns import Inputs
from atelier_store.layout import ModelPaths
from atelier_store.records import Manifest

from atelier_server.models.verification import differences

log = logging.getLogger(__name__)

SECONDS = 30
"""How long one answer may take."""


def run(paths: ModelPaths, url: str, token_file: Path | None = None) -> int:
    """Run the command. The result is the exit status.

    0 if the server is ready, and either answers reference inputs with their reference outputs or has no model yet; 1
    otherwise, with everything that is wrong in the log.
    """
    try:
        headers = {b"Authorization": b"Bearer " + tokens.read(token_file)} if token_file else None
        with httpx.Client(
            base_url=url, headers=headers, timeout=SECONDS, transport=httpx.HTTPTransport(retries=5)
        ) as client:
            wrong = _wrong(client, paths)
    except (httpx.HTTPError, OSError, ValueError, LookupError) as error:
        wrong = [f"{url}: {error}"]
    for reason in wrong:
        log.error("%s", reason)
    return 1 if wrong else 0


def _wrong(client: httpx.Client, paths: ModelPaths) -> list[str]:
    """Everything that is wrong. Raises what httpx, the file system and torn files do."""
    ready = client.get("/v2/health/ready")
    if ready.status_code != httpx.codes.OK:
        return [f"GET /v2/health/ready: {ready.status_code} {ready.text}"]
    log.info("ready")
    name = paths.folder.name
    metadata = client.get(f"/v2/models/{name}")
    if metadata.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        log.info("no model is promoted yet: %s", metadata.text)
        return []
    version = metadata.raise_for_status().json()["versions"][0]
    bundle = paths.version(version)
    manifest = Manifest.read(bundle.manifest)
    inputs, expected = reference(bundle, manifest)
    return [f"{name} version {version}: {wrong}" for wrong in _compare(client, name, manifest, inputs, expected)]


def _compare(client: httpx.Client, name: str, manifest: Manifest, inputs: Inputs, expected: np.ndarray) -> list[str]:
    tensors = [
        {"name": tensor.name, "datatype": tensor.datatype, "shape": list(rows.shape), "data": _data(rows)}
        for tensor, rows in zip(manifest.inputs, inputs.values(), strict=True)
    ]
    request = {"inputs": tensors}
    answer = client.post(f"/v2/models/{name}/infer", json=request)
    if answer.status_code != httpx.codes.OK:
        return [f"POST /v2/models/{name}/infer: {answer.status_code} {answer.text}"]
    output = next(tensor for tensor in answer.json()["outputs"] if tensor["name"] == manifest.outputs[0].name)
    outputs = np.asarray(output["data"], expected.dtype).reshape(output["shape"])
    wrong = differences(outputs, expected, manifest)
    if not wrong:
        log.info("%s: %d reference inputs give their reference outputs", name, len(expected))
    return wrong


def _data(rows: np.ndarray) -> list[Any]:
    """The values as JSON has them, null for a gap."""
    values: list[Any] = rows.ravel().tolist()
    return [None if isinstance(value, float) and math.isnan(value) else value for value in values]
