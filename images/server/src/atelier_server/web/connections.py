"""Connections: heads of requests that are not too large, not too slow, and HTTP; and an end at which no request is lost."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any

from atelier_server.web import problems, transport

LARGEST = 64 * 2**10
"""Bytes after which a head that is not over, or whatever else comes that is no body, is given up."""

IDLE = 620
"""Seconds that a connection stays without another request: more than the 600 s of Google's load balancers and the 90 s of Go's clients.

Whoever closes a connection may do so under a request that is on its way, so it has to be the client, which knows what it has sent.
"""

LINGER = 2.0
"""Seconds that a connection without a request stays when the server ends: one may be on its way."""


class Protocol(transport.Protocol):
    """Bounds what uvicorn does not: a client could otherwise fill the memory, or hold connections for ever.

    At the server's end uvicorn closes connections without a request at once, also under one that the client has just sent.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._size, self._ending = 0, False
        self._waiting_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn names a narrower one
        """A client has connected."""
        super().connection_made(transport)
        self._waiting_since = self.loop.time()

    def data_received(self, data: bytes) -> None:
        """The client has sent something."""
        self._size += len(data)
        super().data_received(data)
        if self._size > LARGEST and not self.transport.is_closing():
            self._refuse(431, f"the head of a request may have at most {LARGEST} bytes")

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._size, self._waiting_since = 0, self.loop.time()

    def on_headers_complete(self) -> None:
        """It is there."""
        super().on_headers_complete()
        self._waiting_since = None
        if self._ending:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """A piece of a body is there; body.read() bounds it."""
        super().on_body(body)
        self._size = 0

    def give_up_after(self, deadline: float) -> None:
        """End the connection if its client has not finished the head of a request in so many seconds; with 408 if it has begun one."""
        since = self._waiting_since
        if since is None or self._answering or self.loop.time() - since < deadline:
            return
        if self.headers is None:
            self.transport.close()
        else:
            self._refuse(408, f"the request was not complete within {deadline:g} s")

    def shutdown(self) -> None:
        """The server ends: the next answer is the last one here, and says so."""
        self._ending = True
        if self._answering:
            self.cycle.keep_alive = False
        else:
            self.loop.call_later(LINGER, self._close_unless_answering)

    def _close_unless_answering(self) -> None:
        if not self._answering:
            self.transport.close()

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def send_400_response(self, msg: str) -> None:
        """What came is not HTTP."""
        self._refuse(400, msg)

    def _refuse(self, status: int, detail: str) -> None:
        body = json.dumps(problems.Problem(status, detail).body | {"instance": ""})
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            f"content-type: {problems.MEDIA_TYPE}",
            f"content-length: {len(body)}",
            "connection: close",
        )
        self.transport.write("\r\n".join((*head, "", body)).encode())
        self.transport.close()
