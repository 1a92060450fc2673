"""Runs the application: a socket, a process, a clean end."""

from __future__ import annotations

import logging
import signal
import socket
import sys

import uvicorn
from atelier_store.layout import ModelPaths
from prometheus_client import start_http_server

from atelier_server import app
from atelier_server.metrics import Metrics
from atelier_server.search_metrics import SearchMetrics

log = logging.getLogger(__name__)


def serve(paths: ModelPaths, *, host: str, port: int, metrics_port: int, max_body: int, every: float, grace: int, access_log: bool) -> int:
    """Serve until SIGTERM or SIGINT; requests under way get grace seconds to finish. Metrics are on port if metrics_port is 0.

    The result is the exit status: 0 after a signal, 2 if the address cannot be had, 1 if the application fails to start.
    """
    try:
        listening = socket.create_server((host, port), family=_family(host), backlog=2048)
    except OSError as error:
        return _cannot_listen(host, port, error)
    # asyncio sets this only on sockets that name their protocol; connections inherit it.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    metrics = Metrics()
    metrics.registry.register(SearchMetrics(paths))
    if metrics_port:
        try:
            start_http_server(metrics_port, host, metrics.registry)
        except OSError as error:
            return _cannot_listen(host, metrics_port, error)
    # uvicorn hands the signal that ended it on to whoever handled it before: then this is a normal end.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: sys.exit(0))
    config = uvicorn.Config(
        app.create(paths, metrics, max_body=max_body, every=every, shows_metrics=not metrics_port),
        log_config=None,
        log_level="info" if access_log else "warning",
        access_log=access_log,
        timeout_graceful_shutdown=grace,
        server_header=False,
    )
    shown = f"[{host}]" if ":" in host else host
    log.info("%s on http://%s:%d (documentation at /docs)", paths.name, shown, listening.getsockname()[1])
    server = uvicorn.Server(config)
    server.run([listening])
    return 0 if server.started else 1


def _cannot_listen(host: str, port: int, error: OSError) -> int:
    log.error("cannot listen on %s port %d: %s", host, port, error.strerror)
    return 2


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
