"""The web application: routes, errors, documentation, counters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata

from atelier_store import machine
from atelier_store.layout import ModelPaths
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp

from atelier_server import problems
from atelier_server.edge import Edge
from atelier_server.metrics import Metrics
from atelier_server.pointer import Follower
from atelier_server.routes import about, described, predict, protocol
from atelier_server.service import Service
from atelier_server.workers import Workers

DESCRIPTION = """Predictions of a searched, verified and promoted network. Every error is an RFC 9457 problem.

`/predict` is made for people and scripts; `/v2` is the Open Inference Protocol, for clients and gateways that speak it."""


def create(paths: ModelPaths, metrics: Metrics, *, max_body: int, every: float, shows_metrics: bool) -> ASGIApp:
    """An application that serves what is promoted under paths. max_body is in bytes, every in seconds between looks at the pointer.

    shows_metrics is false where they are served on a port of their own.
    """
    service = Service(Follower(paths, metrics, every), Workers(machine.cores()), metrics, max_body)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(service.follower.start)
        yield
        service.follower.stop()
        service.workers.stop()

    app = FastAPIOffline(
        title=f"Katib NAS Atelier: {paths.name}",
        description=DESCRIPTION,
        version=metadata.version("atelier-server"),
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    for router in (predict.router(service), protocol.router(service), about.router(service, shows_metrics)):
        app.include_router(router)
    problems.install(app)
    described.install(app)
    return Edge(app, metrics)
