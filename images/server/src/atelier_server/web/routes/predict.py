"""POST /predict: rows or pictures in, labels or values out."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import Receive, Scope

from atelier_server.codecs import csv, pictures, rows
from atelier_server.codecs.pictures import Upload
from atelier_server.codecs.v2 import Inference
from atelier_server.inference.batches import Arrays
from atelier_server.inference.service import Service
from atelier_server.models.model import Model
from atelier_server.web import answers, body
from atelier_server.web.openapi import schemas

LONG = 1.0
"""Seconds, more than the event loop is ever given for one request: pictures and tables are read by a thread."""


def router(service: Service) -> APIRouter:
    """The friendly endpoint."""
    routes = APIRouter(tags=["predict"])

    @routes.post("/predict", **schemas.PREDICT)
    async def predict(request: Request, invert: schemas.Invert = False, top_k: schemas.TopK = None) -> Response:
        """Predict rows given as JSON or as CSV, or pictures given as a form's files or as the body itself."""
        return await answer(service, request.scope, request.receive, invert, top_k)

    return routes


async def answer(
    service: Service, scope: Scope, receive: Receive, invert: bool = False, top_k: int | None = None
) -> Response:
    """The answer to a request for predictions. Raises Problem."""
    service.threads.admit(scope)
    media_type = body.media_type(scope, body.JSON, body.CSV, body.MULTIPART, "image/*")
    model = service.served(scope)
    if top_k is not None:
        rows.check_top_k(top_k, model.manifest)
    content = await body.read(scope, receive, service.max_body, service.deadline)
    seconds = model.seconds(len(content)) if media_type == body.JSON else LONG
    header = body.content_type(scope, body.JSON)

    def encode(_: Inference, outputs: Arrays) -> bytes:
        found = outputs[model.output.name]
        answers.check_finite(found, 422)
        return answers.dump(rows.encode(model, found, top_k))

    said = await service.predict(model, seconds, lambda: _decode(model, content, media_type, header, invert), encode)
    return answers.Answer(said, b"application/json")


def _decode(model: Model, content: bytes, media_type: str, header: str, invert: bool) -> Inference:
    """Rows of the first input, and the first output to give for them."""
    if media_type == body.JSON:
        array = rows.decode(content, model.manifest)
    elif media_type == body.CSV:
        array = csv.decode(content, header, model.manifest)
    else:
        uploads = body.parse_uploads(content, header) if media_type == body.MULTIPART else [Upload("body", content)]
        array = pictures.decode(uploads, model.manifest, invert)
    return Inference(None, {model.input.name: array}, {model.output.name: False})
