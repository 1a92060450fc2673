"""The Open Inference Protocol, version 2, over REST."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_server import answers, body, tensors
from atelier_server.model import Model
from atelier_server.problems import Problem
from atelier_server.routes import described
from atelier_server.service import Service

PLATFORM = "onnx_onnxv1"


def router(service: Service) -> APIRouter:
    """Health, metadata and inference, with and without a version in the path."""
    routes = APIRouter(prefix="/v2", tags=["Open Inference Protocol v2"])

    @routes.get("")
    async def server_metadata() -> dict[str, Any]:
        """What this server is."""
        return {"name": "katib-nas-atelier", "version": metadata.version("atelier-server"), "extensions": []}

    @routes.get("/health/live")
    async def live() -> dict[str, bool]:
        """The server runs."""
        return {"live": True}

    @routes.get("/health/ready")
    async def ready() -> dict[str, bool]:
        """The server takes requests. True without a model too: an installation waits for it before the first model exists."""
        return {"ready": True}

    @routes.get("/models/{name}", **described.MODEL)
    @routes.get("/models/{name}/versions/{version}", **described.MODEL)
    async def model_metadata(name: str, version: str | None = None) -> dict[str, Any]:
        """Inputs and outputs of the model."""
        return _metadata(_model(service, name, version))

    @routes.get("/models/{name}/ready", **described.MODEL)
    @routes.get("/models/{name}/versions/{version}/ready", **described.MODEL)
    async def model_ready(name: str, version: str | None = None) -> dict[str, Any]:
        """The model takes requests; 503 if it does not."""
        return {"name": _model(service, name, version).name, "ready": True}

    @routes.post("/models/{name}/infer", **described.INFER)
    @routes.post("/models/{name}/versions/{version}/infer", **described.INFER)
    async def infer(request: Request, name: str, version: str | None = None) -> Response:
        """Predict tensors."""
        body.media_type(request, body.JSON)
        if "inference-header-content-length" in request.headers:
            raise Problem(415, "binary tensor data is not supported; give data as JSON")
        model = _model(service, name, version)
        content = await body.read(request, service.max_body)
        rows, answer = await service.workers.run(lambda: _answer(model, content))
        service.metrics.predictions.inc(rows)
        return Response(answer, media_type=body.JSON)

    return routes


def _model(service: Service, name: str, version: str | None) -> Model:
    """The model that is asked for. Problem 404 for another name or version, 503 if nothing is promoted."""
    if name != service.name:
        raise Problem(404, f"no model {name!r} here; this server has {service.name!r}", name=name, ready=False)
    model = service.model(name=name, ready=False)
    if version is not None and version != model.version:
        served = f"version {version!r} of {name!r} is not served; version {model.version!r} is"
        raise Problem(404, served, name=name, ready=False)
    return model


def _answer(model: Model, content: bytes) -> tuple[int, bytes]:
    """How many rows were predicted, and the answer."""
    request = body.parse_json(content)
    inputs, outputs = tensors.decode(request, model)
    answer = tensors.encode(model, model.run(inputs, outputs), request.get("id"))
    return len(next(iter(inputs.values()))), answers.dump(answer)


def _metadata(model: Model) -> dict[str, Any]:
    return {
        "name": model.name,
        "versions": [model.version],
        "platform": PLATFORM,
        "inputs": [tensor.model_dump(mode="json") for tensor in model.manifest.inputs],
        "outputs": [tensor.model_dump(mode="json") for tensor in model.manifest.outputs],
    }
