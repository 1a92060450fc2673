"""Heads of requests: not too large, not too slow, and HTTP; what is not is told so as a problem."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any

from atelier_server import one_write, problems

LARGEST = 64 * 2**10
"""Bytes after which a head that is not over, or whatever else comes that is no body, is given up."""


class Protocol(one_write.Protocol):
    """Bounds what uvicorn does not: a client could otherwise fill the memory, or hold connections for ever."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._size = 0
        self._waiting_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
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

    def on_body(self, body: bytes) -> None:
        """A piece of a body is there; body.read() bounds it."""
        super().on_body(body)
        self._size = 0

    def give_up_after(self, deadline: float) -> None:
        """End the connection if its client has not finished the head of a request in so many seconds; with 408 if it has begun one."""
        since, idle = self._waiting_since, self.cycle is None or self.cycle.response_complete
        if since is None or not idle or self.loop.time() - since < deadline:
            return
        if self.headers is None:
            self.transport.close()
        else:
            self._refuse(408, f"the request was not complete within {deadline:g} s")

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
