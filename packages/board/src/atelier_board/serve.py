"""The board as a process: it listens, and serves until it is stopped."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

import uvicorn
from atelier_store import addresses
from atelier_store.layout import Store
from atelier_store.tokens import Token

from atelier_board.app import create

KEEP_ALIVE = 30
"""Seconds that a connection stays open without a request: the page's questions are some apart."""

LOOPBACK = ["localhost", "127.0.0.1", "[::1]"]


def serve(
    store: Store, listening: socket.socket, host: str, token: Token | None = None, cache: Path | None = None
) -> None:
    """Serve the store on a socket that listens on host, until SIGTERM or SIGINT.

    token is asked for, if there is one; cache is the folder for indexes of a store that cannot be written.
    """
    hosts = ["*"] if addresses.reachable(host) != host else [*LOOPBACK, addresses.url(host, 0)[7:].rpartition(":")[0]]
    config = uvicorn.Config(
        create(store, hosts, token, cache), log_level="warning", server_header=False, timeout_keep_alive=KEEP_ALIVE
    )
    with suppress(KeyboardInterrupt):  # uvicorn raises the signal that ended it again
        uvicorn.Server(config).run(sockets=[listening])
