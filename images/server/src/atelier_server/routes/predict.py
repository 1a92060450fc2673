"""POST /predict: rows or pictures in, labels or values out."""

from __future__ import annotations

import numpy as np
from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import Receive, Scope

from atelier_server import answers, body, instances, pictures
from atelier_server.model import Model
from atelier_server.pictures import Upload
from atelier_server.routes import described
from atelier_server.service import Service

PICTURE_SECONDS = 1.0
"""More than the event loop is ever given for one request: pictures are decoded by a thread."""


def router(service: Service) -> APIRouter:
    """The friendly endpoint."""
    routes = APIRouter(tags=["predict"])

    @routes.post("/predict", **described.PREDICT)
    async def predict(request: Request, invert: bool = False) -> Response:
        """Predict rows given as JSON, or pictures given as a form's files or as the body itself."""
        return await answer(service, request.scope, request.receive, invert)

    return routes


async def answer(service: Service, scope: Scope, receive: Receive, invert: bool = False) -> Response:
    """The answer to a request for predictions. Raises Problem."""
    service.threads.admit()
    media_type = body.media_type(scope, body.JSON, body.MULTIPART, "image/*")
    model = service.served(scope)
    content = await body.read(scope, receive, service.max_body, service.deadline)
    seconds = model.seconds(len(content)) if media_type == body.JSON else PICTURE_SECONDS
    header = body.content_type(scope, body.JSON)
    rows, outputs, said = await service.threads.predict(lambda: _predict(model, content, media_type, header, invert), seconds)
    service.metrics.predicted(model, len(rows), outputs, rows)
    return answers.Answer(said, b"application/json")


def _predict(model: Model, content: bytes, media_type: str, header: str, invert: bool) -> tuple[np.ndarray, np.ndarray, bytes]:
    """The rows, what the model says of each, and the answer."""
    if media_type == body.JSON:
        rows = instances.decode(content, model.manifest)
    else:
        uploads = body.parse_uploads(content, header) if media_type == body.MULTIPART else [Upload("body", content)]
        rows = pictures.decode(uploads, model.manifest, invert)
    outputs = model.predict(rows)
    answers.check_finite(outputs, 422)
    return rows, outputs, answers.dump(instances.encode(model, outputs))
