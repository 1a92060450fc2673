"""What is served, for people and for Prometheus: /, /model, /metrics."""

from __future__ import annotations

from importlib import resources
from typing import Any

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.responses import HTMLResponse, Response

from atelier_server.routes import described
from atelier_server.service import Service

ONLY_ITSELF = "default-src 'self' 'unsafe-inline' data: blob:"
"""The page's content security policy: nothing from elsewhere."""


LINK = '<a href="metrics">Metrics</a>'
"""The page's way to the counters."""


def router(service: Service, registry: CollectorRegistry, shows_metrics: bool) -> APIRouter:
    """The page, the card and, unless they are served elsewhere, the counters."""
    routes = APIRouter(tags=["about"])
    page = resources.files("atelier_server").joinpath("page.html").read_text(encoding="utf-8")
    page = page if shows_metrics else page.replace(LINK, "")

    @routes.get("/", include_in_schema=False)
    async def home() -> HTMLResponse:
        return HTMLResponse(page, headers={"Content-Security-Policy": ONLY_ITSELF})

    @routes.get("/model", **described.CARD)
    async def card(request: Request) -> dict[str, Any]:
        """The served model's card: its manifest, why it was promoted, and why a later version was refused, if one was."""
        model = service.served(request.scope)
        return {
            "model": model.name,
            "version": model.version,
            "refused": service.catalogue.follower.reason,
            "manifest": model.manifest.model_dump(mode="json"),
            "promotion": model.promotion and model.promotion.model_dump(mode="json"),
        }

    def metrics() -> Response:  # in a thread of its own, since it may read the store
        """Counters in Prometheus' text format."""
        return counters(service, registry)

    if shows_metrics:
        routes.get("/metrics", **described.METRICS)(metrics)
    return routes


def counters(service: Service, registry: CollectorRegistry) -> Response:
    """Everything in the registry, in Prometheus' text format, with what has happened in this worker until now."""
    service.metrics.flush()
    return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
