"""Binds the sockets and runs the workers on them."""

from __future__ import annotations

import logging
import os
import socket

from atelier_store import addresses
from atelier_store.signing import keys
from atelier_store.tokens import Token

from atelier_server.metrics.counters import Metrics
from atelier_server.workers import collector, worker
from atelier_server.workers.board import Board
from atelier_server.workers.settings import Settings
from atelier_server.workers.supervisor import Supervisor

log = logging.getLogger(__name__)


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; requests under way get their grace to finish.

    The result is the exit status: 0 after a signal, 1 if the application fails to start, 2 if an address is not
    available, or the token or the public key cannot be read.
    """
    try:
        token = Token(settings.token_file) if settings.token_file else None
    except (OSError, ValueError) as error:
        log.error("no token: %s", error)
        return 2
    if settings.signed_by is not None:
        try:
            keys.read_public(settings.signed_by)
        except (OSError, ValueError) as error:
            log.error("no public key: %s", error)
            return 2
    listening: list[list[socket.socket]] = []
    for port in [settings.port, *([settings.metrics_port] if settings.metrics_port else [])]:
        try:
            listening.append(_listen(settings.host, port, settings.workers))
        except OSError as error:
            log.error("cannot listen on %s port %d: %s", settings.host, port, error.strerror)
            return 2
    board, metrics = Board(settings.workers), Metrics()
    url = addresses.url(settings.host, listening[0][0].getsockname()[1])
    log.info("%s on %s (documentation at /docs)", settings.paths.name, url)
    collector.freeze_before_fork()
    supervisor = os.getpid()  # a worker that asked for its parent might get another's number already

    def work(number: int) -> int:
        own = [sockets.pop(number) for sockets in listening]
        close()  # the others'
        return worker.run(number, settings, board, metrics, token, own, supervisor)

    def close() -> None:
        for sockets in listening:
            while sockets:
                sockets.pop().close()

    supervised = Supervisor(settings.workers, work, board, hang_after=settings.hang_after, grace=settings.grace)
    return supervised.run(on_end=close)


def _listen(host: str, port: int, count: int) -> list[socket.socket]:
    """A socket on the port for every worker, among which the system divides the connections. Port 0 is a free one.

    They outlive a worker that dies: what waits at its socket is answered by its replacement.
    """
    # without this the sockets below, which share their port, would share it with another server of ours as well
    addresses.listen(host, port).close()
    sockets: list[socket.socket] = []
    for _ in range(count):
        listening = addresses.listen(host, port, backlog=2048, reuse_port=True)
        # asyncio sets this only on sockets that name their protocol; connections inherit it
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        port = listening.getsockname()[1]
        sockets.append(listening)
    return sockets
