"""What is served, for people and for Prometheus: /, /model, /metrics."""

from __future__ import annotations

from importlib import resources
from pathlib import PurePath
from typing import Any

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from atelier_server.inference.service import Service
from atelier_server.web.openapi import schemas

PAGE = resources.files("atelier_server.web").joinpath("page")
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
"""The page loads nothing from elsewhere, runs nothing but its own files, and is that of the server that runs now."""

LINK = '<a href="metrics">Metrics</a>'
"""The page's way to the counters."""


def router(service: Service, registry: CollectorRegistry, shows_metrics: bool) -> APIRouter:
    """The page, the card and, unless they are served elsewhere, the counters."""
    routes = APIRouter(tags=["about"])
    page = PAGE.joinpath("index.html").read_text(encoding="utf-8")
    page = page if shows_metrics else page.replace(LINK, "")
    files = {file.name: file.read_bytes() for file in PAGE.iterdir() if PurePath(file.name).suffix in TYPES}

    @routes.get("/", include_in_schema=False)
    async def home() -> HTMLResponse:
        return HTMLResponse(page, headers=HEADERS)

    @routes.get("/page/{name}", include_in_schema=False)
    async def file(name: str) -> Response:
        if name not in files:
            raise HTTPException(404)
        return Response(files[name], media_type=TYPES[PurePath(name).suffix], headers=HEADERS)

    @routes.get("/model", **schemas.CARD)
    async def card(request: Request) -> dict[str, Any]:
        """The served model's card: its manifest, why it was promoted, and why a later version was refused, if one was."""
        model = service.served(request.scope)
        return {
            "model": model.name,
            "version": model.version,
            "refused": service.catalogue.follower.reason,
            "onnx_bytes": model.onnx_bytes,
            "manifest": model.manifest.model_dump(mode="json"),
            "promotion": model.promotion and model.promotion.model_dump(mode="json"),
        }

    @routes.get("/model/report", **schemas.CARD)
    async def report(request: Request) -> dict[str, Any]:
        """What was searched, what its trials came to, and how the served model learned; null for a version from before this was kept."""
        model = service.served(request.scope)
        return {"version": model.version, "report": model.report and model.report.model_dump(mode="json")}

    def metrics() -> Response:  # in a thread of its own, since it may read the store
        """Counters in Prometheus' text format."""
        return counters(service, registry)

    if shows_metrics:
        routes.get("/metrics", **schemas.METRICS)(metrics)
    return routes


def counters(service: Service, registry: CollectorRegistry) -> Response:
    """Everything in the registry, in Prometheus' text format, with what has happened in this worker until now."""
    service.metrics.flush()
    return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
