"""The Open Inference Protocol, version 2, over REST."""

from __future__ import annotations

from functools import partial
from importlib import metadata
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_server.codecs import v2
from atelier_server.inference.service import Service
from atelier_server.models.model import Model
from atelier_server.web import body
from atelier_server.web.answers import Answer
from atelier_server.web.media_types import JSON, OCTETS
from atelier_server.web.openapi import schemas
from atelier_server.web.problems import Problem
from atelier_server.web.request import InboundRequest

HEALTH_LIVE, HEALTH_READY = "/v2/health/live", "/v2/health/ready"
MODEL = "/v2/models/{name}"
VERSION = MODEL + "/versions/{version}"
INFER, INFER_VERSION = MODEL + "/infer", VERSION + "/infer"

PLATFORM = "onnx_onnxv1"
EXTENSIONS = ["binary_tensor_data"]
READY = """The server takes requests. True without a model too: an installation waits for it before the first model \
exists. 503 if none is served because a signature is asked for and lacks: an upgrade then keeps the pods that serve.

`refused` says why a later version is not served, if one was refused."""

LENGTH = b"inference-header-content-length"
"""How much of a body is JSON; the rest is tensors as bytes."""


def router(service: Service) -> APIRouter:
    """Health, metadata and inference, with and without a version in the path."""
    routes = APIRouter(tags=["Open Inference Protocol v2"])

    @routes.get("/v2")
    async def server_metadata() -> dict[str, Any]:
        """What this server is."""
        return {"name": "katib-nas-atelier", "version": metadata.version("atelier-server"), "extensions": EXTENSIONS}

    @routes.get(HEALTH_LIVE, **schemas.LIVE)
    async def live() -> dict[str, bool]:
        """The server runs; 503 if one of its workers does not answer any more."""
        if hung := service.hung():
            raise Problem(503, f"workers that do not answer: {', '.join(map(str, hung))}", live=False)
        return {"live": True}

    @routes.get(HEALTH_READY, description=READY, **schemas.READY)
    async def ready() -> dict[str, Any]:
        refused = service.follower.refused
        if service.follower.lacks_signature:
            raise Problem(503, f"nothing is served: {refused}", ready=False)
        return {"ready": True, "refused": refused} if refused else {"ready": True}

    @routes.get(MODEL, **schemas.MODEL)
    @routes.get(VERSION, **schemas.MODEL)
    async def model_metadata(request: Request, name: str, version: str | None = None) -> dict[str, Any]:
        """Inputs and outputs of the model, and its versions, the current one first."""
        model = InboundRequest.of(request.scope).model = await service.model(name, version)
        return _metadata(model, await service.threads.load(lambda: service.catalogue.versions(name)))

    @routes.get(MODEL + "/ready", **schemas.MODEL)
    @routes.get(VERSION + "/ready", **schemas.MODEL)
    async def model_ready(request: Request, name: str, version: str | None = None) -> dict[str, Any]:
        """The model takes requests; 503 if it does not."""
        model = InboundRequest.of(request.scope).model = await service.model(name, version)
        return {"name": model.name, "ready": True}

    @routes.post(INFER, **schemas.INFER)
    @routes.post(INFER_VERSION, **schemas.INFER)
    async def infer(request: Request, name: str, version: str | None = None) -> Response:
        """Predict tensors, given as JSON, or as bytes that follow it."""
        return await answer(service, InboundRequest.of(request.scope), name, version)

    return routes


async def answer(service: Service, request: InboundRequest, name: str, version: str | None = None) -> Response:
    """The response to a request for inference."""
    request.admit(service.threads)
    body.media_type(request, JSON, OCTETS)
    model = request.model = await service.model(name, version)
    content = await body.read(request, service.max_body, service.deadline)
    header = _json_length(request, content)
    encoded, length = await service.predict(
        model, model.seconds(len(content)), lambda: v2.decode(content, header, model), partial(v2.encode, model)
    )
    if length is None:
        return Answer(encoded, b"application/json")
    return Answer(encoded, b"application/octet-stream", (LENGTH, str(length).encode()))


def _json_length(request: InboundRequest, content: bytes) -> int:
    value = request.headers.get(LENGTH)
    if value is None:
        return len(content)
    if not value.isdigit() or len(value) > 12 or int(value) > len(content):
        allowed = f"must be 0 to {len(content)}, the length of the body"
        raise Problem(400, f"Inference-Header-Content-Length {allowed}, is {value.decode('latin-1')[:20]!r}")
    return int(value)


def _metadata(model: Model, versions: list[str]) -> dict[str, Any]:
    return {
        "name": model.name,
        "versions": versions,
        "platform": PLATFORM,
        "inputs": [tensor.model_dump(mode="json") for tensor in model.manifest.inputs],
        "outputs": [tensor.model_dump(mode="json") for tensor in model.manifest.outputs],
    }
