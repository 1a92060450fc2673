"""One worker process: its parts, put together and served on its sockets."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence

import pydantic.v1  # noqa: F401  # FastAPI imports it at the first route; here it is shared by all workers
import uvicorn
import uvloop
from atelier_store import machine
from atelier_store.tokens import Token

from atelier_server.inference.batches import Batches
from atelier_server.inference.service import Service
from atelier_server.inference.threads import Threads
from atelier_server.metrics.counters import Metrics
from atelier_server.metrics.search import SearchMetrics
from atelier_server.models.catalogue import Catalogue
from atelier_server.models.follower import Follower
from atelier_server.web import access_log, app, connections
from atelier_server.web.edge import Edge
from atelier_server.workers import collector, state_metrics
from atelier_server.workers.board import Board
from atelier_server.workers.settings import Settings

BEAT = 0.25
"""Seconds between two heartbeats."""


def run(
    number: int,
    settings: Settings,
    board: Board,
    metrics: Metrics,
    token: Token | None,
    sockets: Sequence[socket.socket],
    supervisor: int,
) -> int:
    """Serve until a signal, or until the process supervisor has ended.

    The last of the sockets is that of the metrics, if they have a port of their own. The result is the exit status: 0,
    or 1 if the application does not start.
    """
    service = _service(settings, board, metrics)
    registry = state_metrics.registry(service.follower, board, SearchMetrics(settings.paths))
    metrics_port = sockets[-1].getsockname()[1] if settings.metrics_port else None
    edge = Edge(
        app.create(service, registry, shows_metrics=metrics_port is None, board_url=settings.board_url),
        app.counters(service, registry),
        service,
        token=token,
        logs=settings.access_log,
        metrics_port=metrics_port,
        root_path=settings.root_path,
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


def _service(settings: Settings, board: Board, metrics: Metrics) -> Service:
    # Workers share the cores: one thread computes a request, and no time is lost between threads.
    cores = max(1, machine.cores() // settings.workers)
    follower = Follower(
        settings.paths,
        settings.poll_interval,
        cores,
        settings.signed_by,
        on_swap=metrics.swaps.inc,
        on_refusal=metrics.refresh_failures.inc,
    )
    catalogue = Catalogue(
        settings.paths.store,
        follower,
        room=settings.cache,
        every=settings.poll_interval,
        threads=cores,
        signed_by=settings.signed_by,
        on_eviction=metrics.evictions.inc,
    )
    return Service(
        follower,
        catalogue,
        Threads(cores, max_requests=settings.max_requests, deadline=settings.deadline, on_wait=metrics.queued.observe),
        Batches(metrics.batched),
        metrics,
        hung=lambda: board.hung(settings.hang_after),
        max_body=settings.max_body,
        deadline=settings.deadline,
    )


async def _beat(
    number: int, server: uvicorn.Server, board: Board, metrics: Metrics, deadline: float, supervisor: int
) -> None:
    """Report that the event loop turns, flush metrics, disconnect slow clients, and end with the supervisor."""
    while not server.started:
        await asyncio.sleep(0.01)
    collector.freeze_after_start()
    while True:
        board.write(number, os.getpid(), len(server.server_state.tasks))
        metrics.flush()
        for connection in list(server.server_state.connections):
            if isinstance(connection, connections.Protocol):
                connection.give_up_after(deadline)
        if os.getppid() != supervisor:
            server.should_exit = True
        await asyncio.sleep(BEAT)
