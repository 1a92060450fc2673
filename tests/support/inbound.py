"""A request as the server's parts get it, without a server."""

from __future__ import annotations

from atelier_server.web.request import InboundRequest
from starlette.types import Message


def inbound(method: str, path: str, *headers: tuple[bytes, bytes]) -> InboundRequest:
    """Its head; nobody may read the body."""
    return InboundRequest({"method": method, "path": path, "headers": list(headers)}, _body)


async def _body() -> Message:
    raise AssertionError("the body was read")
