"""Request bodies: of the right type, complete, and never larger than allowed."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from atelier_server.web.problems import Problem
from atelier_server.web.request import InboundRequest

MOST_DISCARDED = 64 * 2**20
"""Bytes over the limit that are still read: most clients read the response only after they have sent the whole body."""


def media_type(request: InboundRequest, *allowed: str) -> str:
    """The body's media type; the first of the allowed ones if there is no header. image/* allows every picture.

    Problem 415 if it is another.
    """
    header = request.content_type
    if header is None:
        return allowed[0]
    if header in allowed:
        return header
    name = header.split(";")[0].strip().lower()
    if name not in allowed and f"{name.split('/')[0]}/*" not in allowed:
        detail = f"Content-Type must be {' or '.join(allowed)}, is {name or 'empty'}"
        raise Problem(415, detail, headers={"Accept": ", ".join(allowed)})
    return name


async def read(request: InboundRequest, limit: int, deadline: float) -> bytes:
    """The whole body, of which at most limit bytes are kept at any time.

    Problem 413 if it is larger, 415 if it is compressed, 408 if it is not complete within deadline seconds.
    ClientDisconnect if the client goes away.
    """
    headers = request.headers
    if (encoding := headers.get(b"content-encoding", b"identity")) != b"identity":
        detail = f"Content-Encoding must be identity, is {encoding.decode('latin-1')}"
        raise Problem(415, detail, headers={"Accept-Encoding": "identity"})
    declared = headers.get(b"content-length", b"")
    size = int(declared) if declared.isdigit() else 0
    if size > limit and (size > limit + MOST_DISCARDED or b"expect" in headers):
        raise _too_large(limit)
    reading = _read(request.receive, limit).__await__()
    try:
        waiting = next(reading)
    except StopIteration as done:
        body: bytes = done.value  # it had arrived already, as nearly always: no timer is needed
        return body
    try:
        async with asyncio.timeout(deadline):
            return await _Rest(waiting, reading)
    except TimeoutError as error:
        detail = f"the request was not complete within {deadline:g} s"
        raise Problem(408, detail, headers={"Connection": "close"}) from error


class _Rest:
    """A coroutine that has been started and waits for something, to be awaited from there on."""

    def __init__(self, waiting: Any, coroutine: Generator[Any, None, bytes]) -> None:
        self._waiting, self._coroutine = waiting, coroutine

    def __await__(self) -> Generator[Any, None, bytes]:
        yield self._waiting
        return (yield from self._coroutine)


async def _read(receive: Receive, limit: int) -> bytes:
    body, received = bytearray(), 0
    while received <= limit + MOST_DISCARDED:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        received += len(chunk)
        if not more and not body and received <= limit:
            return chunk  # all at once, as nearly always
        if received <= limit:
            body += chunk
        if not more:
            break
    if received > limit:
        raise _too_large(limit)
    return bytes(body)


def _too_large(limit: int) -> Problem:
    return Problem(413, f"the body may have at most {limit} bytes", headers={"Connection": "close"})
