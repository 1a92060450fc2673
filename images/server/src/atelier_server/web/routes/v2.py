"""The Open Inference Protocol, version 2, over REST."""

from __future__ import annotations

from functools import partial
from importlib import metadata
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import Receive, Scope

from atelier_server.codecs import v2
from atelier_server.inference.service import Service
from atelier_server.models.model import Model
from atelier_server.web import body
from atelier_server.web.answers import Answer
from atelier_server.web.openapi import schemas
from atelier_server.web.problems import Problem

PLATFORM = "onnx_onnxv1"
EXTENSIONS = ["binary_tensor_data"]
LENGTH = b"inference-header-content-length"
"""How much of a body is JSON; the rest is tensors as bytes."""


def router(service: Service) -> APIRouter:
    """Health, metadata and inference, with and without a version in the path."""
    routes = APIRouter(prefix="/v2", tags=["Open Inference Protocol v2"])

    @routes.get("")
    async def server_metadata() -> dict[str, Any]:
        """What this server is."""
        return {"name": "katib-nas-atelier", "version": metadata.version("atelier-server"), "extensions": EXTENSIONS}

    @routes.get("/health/live", **schemas.LIVE)
    async def live() -> dict[str, bool]:
        """The server runs; 503 if one of its workers does not answer any more."""
        if hung := service.hung():
            raise Problem(503, f"workers that do not answer: {', '.join(map(str, hung))}", live=False)
        return {"live": True}

    @routes.get("/health/ready")
    async def ready() -> dict[str, Any]:
        """The server takes requests. True without a model too: an installation waits for it before the first model exists.

        `refused` says why a later version is not served, if one was refused.
        """
        refused = service.catalogue.follower.refused
        return {"ready": True, "refused": refused} if refused else {"ready": True}

    @routes.get("/models/{name}", **schemas.MODEL)
    @routes.get("/models/{name}/versions/{version}", **schemas.MODEL)
    async def model_metadata(request: Request, name: str, version: str | None = None) -> dict[str, Any]:
        """Inputs and outputs of the model, and its versions, the current one first."""
        model = await service.model(request.scope, name, version)
        return _metadata(model, await service.threads.load(lambda: service.catalogue.versions(name)))

    @routes.get("/models/{name}/ready", **schemas.MODEL)
    @routes.get("/models/{name}/versions/{version}/ready", **schemas.MODEL)
    async def model_ready(request: Request, name: str, version: str | None = None) -> dict[str, Any]:
        """The model takes requests; 503 if it does not."""
        return {"name": (await service.model(request.scope, name, version)).name, "ready": True}

    @routes.post("/models/{name}/infer", **schemas.INFER)
    @routes.post("/models/{name}/versions/{version}/infer", **schemas.INFER)
    async def infer(request: Request, name: str, version: str | None = None) -> Response:
        """Predict tensors, given as JSON, or as bytes that follow it."""
        return await answer(service, request.scope, request.receive, name, version)

    return routes


async def answer(service: Service, scope: Scope, receive: Receive, name: str, version: str | None) -> Response:
    """The answer to a request for inference. Raises Problem."""
    service.threads.admit(scope)
    body.media_type(scope, body.JSON, body.OCTETS)
    model = await service.model(scope, name, version)
    content = await body.read(scope, receive, service.max_body, service.deadline)
    header = _json_length(scope, content)
    said, length = await service.predict(
        model, model.seconds(len(content)), lambda: v2.decode(content, header, model), partial(v2.encode, model)
    )
    if length is None:
        return Answer(said, b"application/json")
    return Answer(said, b"application/octet-stream", (LENGTH, str(length).encode()))


def _json_length(scope: Scope, content: bytes) -> int:
    given = body.headers(scope).get(LENGTH)
    if given is None:
        return len(content)
    if not given.isdigit() or len(given) > 12 or int(given) > len(content):
        raise Problem(
            400,
            f"Inference-Header-Content-Length must be 0 to {len(content)}, the length of the body, is {given.decode('latin-1')[:20]!r}",
        )
    return int(given)


def _metadata(model: Model, versions: list[str]) -> dict[str, Any]:
    return {
        "name": model.name,
        "versions": versions,
        "platform": PLATFORM,
        "inputs": [tensor.model_dump(mode="json") for tensor in model.manifest.inputs],
        "outputs": [tensor.model_dump(mode="json") for tensor in model.manifest.outputs],
    }
