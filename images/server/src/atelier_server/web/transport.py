"""uvicorn's HTTP protocol, with one system call and one packet for a response where uvicorn takes two."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD = b"HTTP/1.1 "
INTERIM = b"HTTP/1.1 100 "


class Protocol(HttpToolsProtocol):
    """Writes through a Transport."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's is narrower
        """A client has connected."""
        super().connection_made(Transport(transport, self.loop))  # type: ignore[arg-type]  # it has its methods


class Transport:
    """A transport that holds the head of a response back until its body comes, or the event loop's next turn."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop, self._head = transport, loop, b""
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Send data, at the latest in the event loop's next turn."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(HEAD) and not data.startswith(INTERIM):
            self._head = data
            self._loop.call_soon(self._flush)
            return
        self._transport.write(data)

    def close(self) -> None:
        """Send what was held back, and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
