"""POST /predict: rows or pictures in, labels or values out."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_server import answers, body, instances, pictures
from atelier_server.model import Model
from atelier_server.pictures import Upload
from atelier_server.routes import described
from atelier_server.service import Service


def router(service: Service) -> APIRouter:
    """The friendly endpoint."""
    routes = APIRouter(tags=["predict"])

    @routes.post("/predict", **described.PREDICT)
    async def predict(request: Request, invert: bool = False) -> Response:
        """Predict rows given as JSON, or pictures given as a form's files or as the body itself."""
        media_type = body.media_type(request, body.JSON, body.MULTIPART, "image/*")
        model = service.model()
        content = await body.read(request, service.max_body)
        header = request.headers.get("content-type", body.JSON)
        rows, answer = await service.workers.run(lambda: _answer(model, content, media_type, header, invert))
        service.metrics.predictions.inc(rows)
        return Response(answer, media_type=body.JSON)

    return routes


def _answer(model: Model, content: bytes, media_type: str, header: str, invert: bool) -> tuple[int, bytes]:
    """How many rows were predicted, and the answer."""
    if media_type == body.JSON:
        rows = instances.decode(body.parse_json(content), model.manifest)
    else:
        uploads = body.parse_uploads(content, header) if media_type == body.MULTIPART else [Upload("body", content)]
        rows = pictures.decode(uploads, model.manifest, invert)
    return len(rows), answers.dump(instances.encode(model, model.predict(rows)))
