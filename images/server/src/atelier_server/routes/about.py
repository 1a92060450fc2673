"""What is served, for people and for Prometheus: /, /model, /metrics."""

from __future__ import annotations

from importlib import resources
from typing import Any

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import HTMLResponse, Response

from atelier_server.routes import described
from atelier_server.service import Service

ONLY_ITSELF = "default-src 'self' 'unsafe-inline' data: blob:"
"""The page's content security policy: nothing from elsewhere."""


def router(service: Service) -> APIRouter:
    """The page, the card and the counters."""
    routes = APIRouter(tags=["about"])
    page = resources.files("atelier_server").joinpath("page.html").read_text(encoding="utf-8")

    @routes.get("/", include_in_schema=False)
    async def home() -> HTMLResponse:
        return HTMLResponse(page, headers={"Content-Security-Policy": ONLY_ITSELF})

    @routes.get("/model", **described.CARD)
    async def card() -> dict[str, Any]:
        """The served model's card: its manifest, why it was promoted, and why a later version was refused, if one was."""
        model = service.model()
        return {
            "model": model.name,
            "version": model.version,
            "refused": service.follower.reason,
            "manifest": model.manifest.model_dump(mode="json"),
            "promotion": model.promotion and model.promotion.model_dump(mode="json"),
        }

    @routes.get("/metrics", **described.METRICS)
    async def metrics() -> Response:
        """Counters in Prometheus' text format."""
        return Response(generate_latest(service.metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return routes
