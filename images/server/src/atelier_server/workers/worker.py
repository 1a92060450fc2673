"""One worker process: its parts put together, on its sockets, until it is told to end."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from collections.abc import Sequence

import pydantic.v1  # noqa: F401  # FastAPI does at the first route: once for all workers, before they are forked
import uvicorn
import uvloop
from atelier_store import machine

from atelier_server.inference.batches import Batches
from atelier_server.inference.service import Service
from atelier_server.inference.threads import Threads
from atelier_server.metrics.counters import Metrics
from atelier_server.metrics.search import SearchMetrics
from atelier_server.models.catalogue import Catalogue
from atelier_server.models.follower import Follower
from atelier_server.web import access_log, app, connections
from atelier_server.web.credentials import Token
from atelier_server.web.edge import Edge
from atelier_server.workers import state_metrics
from atelier_server.workers.board import Board
from atelier_server.workers.settings import Settings

BEAT = 0.25
"""Seconds between two beats."""


def run(
    number: int,
    settings: Settings,
    board: Board,
    metrics: Metrics,
    token: Token | None,
    sockets: Sequence[socket.socket],
    supervisor: int,
) -> int:
    """Serve until a signal, or until the process supervisor has ended; the last of the sockets is that of the metrics, if they have one.

    0, or 1 if the application does not start.
    """
    # Workers share the cores: each request is then calculated by one thread, and nothing is lost between threads.
    cores = max(1, machine.cores() // settings.workers)
    follower = Follower(settings.paths, metrics, settings.poll_interval, cores)
    catalogue = Catalogue(
        settings.paths.store, follower, metrics, room=settings.cache, every=settings.poll_interval, threads=cores
    )
    threads = Threads(
        cores, max_requests=settings.max_requests, deadline=settings.deadline, waited=metrics.queued.observe
    )
    batches = Batches(metrics.batched)
    service = Service(
        catalogue,
        threads,
        batches,
        metrics,
        lambda: board.hung(settings.hang_after),
        settings.max_body,
        settings.deadline,
    )
    registry = state_metrics.registry(follower, board, SearchMetrics(settings.paths))
    metrics_port = sockets[-1].getsockname()[1] if settings.metrics_port else None
    edge = Edge(
        app.create(service, registry, shows_metrics=metrics_port is None),
        app.counters(service, registry),
        service,
        token=token,
        logs=settings.access_log,
        metrics_port=metrics_port,
    )
    if settings.access_log:
        access_log.start()
    server = uvicorn.Server(
        uvicorn.Config(
            edge,
            http=connections.Protocol,
            proxy_headers=False,
            ws="none",
            log_config=None,
            log_level="warning",
            access_log=False,
            timeout_keep_alive=connections.IDLE,
            timeout_graceful_shutdown=settings.grace,
            server_header=False,
        )
    )

    async def serve() -> None:
        beating = asyncio.create_task(_beat(number, server, board, metrics, settings.deadline, supervisor))
        await server.serve(list(sockets))
        beating.cancel()
        metrics.flush()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
    return 0 if server.started else 1


async def _beat(
    number: int, server: uvicorn.Server, board: Board, metrics: Metrics, deadline: float, supervisor: int
) -> None:
    """Say, again and again, that the event loop turns, count what has happened, give slow clients up; end with the supervisor."""
    while not server.started:
        await asyncio.sleep(0.01)
    gc.collect()
    gc.freeze()  # what is there by now stays: no collection need look at it again
    while True:
        board.write(number, os.getpid(), len(server.server_state.tasks))
        metrics.flush()
        for connection in list(server.server_state.connections):
            if isinstance(connection, connections.Protocol):
                connection.give_up_after(deadline)
        if os.getppid() != supervisor:
            server.should_exit = True
        await asyncio.sleep(BEAT)
