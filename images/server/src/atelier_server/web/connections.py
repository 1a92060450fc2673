"""Connections: limits on the heads of requests and on slow clients, and a shutdown that loses no request."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any

from atelier_server.web import media_types, problems, transport
from atelier_server.web.parser import Parser

LARGEST = 64 * 2**10
"""Bytes after which an incomplete head, or anything else that is not a body, is rejected."""

IDLE = 620
"""Seconds that an idle connection is kept: more than the 600 s of Google's load balancers and the 90 s of Go's clients.

The side that closes a connection may do so while a request is on its way. That must be the client, which knows what it
has sent.
"""

LINGER = 2.0
"""Seconds that an idle connection is kept when the server ends: a request may be on its way."""


class Protocol(transport.Protocol):
    """Limits what uvicorn does not: otherwise a client could fill the memory, or hold connections for ever.

    When the server ends, uvicorn closes idle connections at once, even if the client has just sent a request.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.parser = Parser(self)  # type: ignore[assignment]  # it has all that uvicorn uses
        self._size, self._ending = 0, False
        self._waiting_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's is narrower
        """A client has connected."""
        super().connection_made(transport)
        self._waiting_since = self.loop.time()

    def data_received(self, data: bytes) -> None:
        """The client has sent something."""
        self._size += len(data)
        super().data_received(data)
        if self._size > LARGEST and not self.transport.is_closing():
            self._reject(431, f"the head of a request may have at most {LARGEST} bytes")

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._size, self._waiting_since = 0, self.loop.time()

    def on_headers_complete(self) -> None:
        """The head is complete."""
        if self.parser.should_upgrade():
            return  # it is read again
        super().on_headers_complete()
        self._waiting_since = None
        if self._ending:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """The request is complete."""
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_body(self, body: bytes) -> None:
        """Part of a body has arrived; body.read() limits its size."""
        super().on_body(body)
        self._size = 0

    def give_up_after(self, deadline: float) -> None:
        """Close the connection if its client has not sent a whole head in so many seconds; with 408 if it has begun."""
        since = self._waiting_since
        if since is None or self._answering or self.loop.time() - since < deadline:
            return
        if self.headers is None:
            self.transport.close()
        else:
            self._reject(408, f"the request was not complete within {deadline:g} s")

    def shutdown(self) -> None:
        """The server ends: the next response is the last one on this connection, and says so."""
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
        """What arrived is not HTTP."""
        self._reject(400, msg)

    def _reject(self, status: int, detail: str) -> None:
        body = json.dumps(problems.Problem(status, detail).body | {"instance": ""})
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            f"content-type: {media_types.PROBLEM}",
            f"content-length: {len(body)}",
            "connection: close",
        )
        self.transport.write("\r\n".join((*head, "", body)).encode())
        self.transport.close()
