"""The web application: routes, errors, documentation, metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp, Receive, Scope, Send

from atelier_server.inference.service import Service
from atelier_server.web import problems
from atelier_server.web.openapi import document, pages
from atelier_server.web.routes import about, predict, v2

DESCRIPTION = """Predictions of a searched, verified and promoted network. Every error is an RFC 9457 problem.

`/predict` is made for people and scripts; `/v2` is the Open Inference Protocol, for clients and gateways that speak \
it."""


def create(service: Service, registry: CollectorRegistry, *, shows_metrics: bool, board_url: str = "") -> ASGIApp:
    """All routes. shows_metrics is false where the metrics have a port of their own; the page links to board_url."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(service.follower.start)
        yield
        service.follower.stop()
        service.threads.stop()

    app = FastAPI(
        title=f"Katib NAS Atelier: {service.follower.name}",
        description=DESCRIPTION,
        version=metadata.version("atelier-server"),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        servers=[{"url": "."}],  # relative to the document, behind whatever prefix it was found
        root_path_in_servers=False,
        lifespan=lifespan,
    )
    shown = about.router(service, registry, shows_metrics, board_url)
    for router in (predict.router(service), v2.router(service), shown):
        app.include_router(router)
    pages.install(app)
    problems.install(app)
    document.install(app, service)
    return app


def counters(service: Service, registry: CollectorRegistry) -> ASGIApp:
    """/metrics alone, for a port of its own."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/metrics":
            response = await asyncio.to_thread(about.counters, service, registry)
        else:
            response = problems.Problem(404, "there is only /metrics here").response(scope["path"])
        await response(scope, receive, send)

    return app
