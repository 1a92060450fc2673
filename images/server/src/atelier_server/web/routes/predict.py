"""POST /predict: rows or pictures in, labels or values out."""

from __future__ import annotations

import numpy as np
from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_server.codecs import columns, csv, json, packing, pictures, rows
from atelier_server.codecs.inference import Arrays, Inference
from atelier_server.codecs.pictures import Upload
from atelier_server.inference.service import Service
from atelier_server.models.model import Model
from atelier_server.web import body
from atelier_server.web.answers import Answer
from atelier_server.web.media_types import CSV, JSON, MULTIPART, PICTURES
from atelier_server.web.openapi import schemas
from atelier_server.web.request import InboundRequest

PATH = "/predict"

LONG = 1.0
"""Seconds, more than the event loop ever spends on one request: pictures and tables are decoded in a thread."""


def router(service: Service) -> APIRouter:
    """The route."""
    routes = APIRouter(tags=["predict"])

    @routes.post(PATH, **schemas.PREDICT)
    async def predict(request: Request, invert: schemas.Invert = False, top_k: schemas.TopK = None) -> Response:
        """Predict rows given as JSON or as CSV, or pictures given as a form's files or as the body itself."""
        return await answer(service, InboundRequest.of(request.scope), invert, top_k)

    return routes


async def answer(service: Service, request: InboundRequest, invert: bool = False, top_k: int | None = None) -> Response:
    """The response to a request for predictions."""
    request.admit(service.threads)
    media_type = body.media_type(request, JSON, CSV, MULTIPART, PICTURES)
    model = request.model = service.follower.served()
    if top_k is not None:
        rows.check_top_k(top_k, model.manifest)
    content = await body.read(request, service.max_body, service.deadline)
    seconds = model.seconds(len(content)) if media_type == JSON else LONG
    content_type = request.content_type or ""

    def encode(_: Inference, outputs: Arrays) -> bytes:
        array = outputs[model.output.name]
        packing.check_finite(array)
        return json.dump(rows.encode(model, array, top_k))

    def decode() -> Inference:
        inputs = _decode(model, content, media_type, content_type, invert)
        return Inference(None, inputs, {model.output.name: False})

    return Answer(await service.predict(model, seconds, decode, encode), b"application/json")


def _decode(model: Model, content: bytes, media_type: str, content_type: str, invert: bool) -> Arrays:
    table = columns.of(model)
    if table and media_type == JSON:
        return rows.decode_table(content, table)
    if table and media_type == CSV:
        return csv.decode_table(content, content_type, table)
    return {model.input.name: _decode_array(model, content, media_type, content_type, invert)}


def _decode_array(model: Model, content: bytes, media_type: str, content_type: str, invert: bool) -> np.ndarray:
    if media_type == JSON:
        return rows.decode(content, model.manifest)
    if media_type == CSV:
        return csv.decode(content, content_type, model.manifest)
    uploads = pictures.uploads(content, content_type) if media_type == MULTIPART else [Upload("body", content)]
    return pictures.decode(uploads, model.manifest, invert)
