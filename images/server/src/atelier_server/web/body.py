"""Request bodies: bounded, of the right type, whole."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from io import BytesIO
from typing import Any, cast

import pydantic_core
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import File, FormParser, parse_options_header
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from atelier_server.codecs.pictures import Upload
from atelier_server.web.problems import Problem

MOST_DISCARDED = 64 * 2**20
"""Bytes of a body over the limit that are still read: most clients look at the answer only when they have sent everything."""

JSON = "application/json"
CSV = "text/csv"
OCTETS = "application/octet-stream"
MULTIPART = "multipart/form-data"
HEADERS = "atelier.headers"


def headers(scope: Scope) -> dict[bytes, bytes]:
    """The request's headers, the last of a name."""
    found: dict[bytes, bytes] | None = scope.get(HEADERS)
    if found is None:
        found = scope[HEADERS] = dict(scope["headers"])
    return found


async def read(scope: Scope, receive: Receive, limit: int, deadline: float) -> bytes:
    """The whole body, of which no more than limit bytes are ever kept.

    Problem 413 if it has more, 415 if it is compressed, 408 if it is not there within deadline seconds. ClientDisconnect as it says.
    """
    given = headers(scope)
    if (encoding := given.get(b"content-encoding", b"identity")) != b"identity":
        raise Problem(
            415,
            f"Content-Encoding must be identity, is {encoding.decode('latin-1')}",
            headers={"Accept-Encoding": "identity"},
        )
    declared = given.get(b"content-length", b"")
    size = int(declared) if declared.isdigit() else 0
    if size > limit and (size > limit + MOST_DISCARDED or b"expect" in given):
        raise _too_large(limit)
    reading = _read(receive, limit).__await__()
    try:
        waiting = next(reading)
    except StopIteration as done:
        body: bytes = done.value  # it was there already, as nearly always: no timer is needed
        return body
    try:
        async with asyncio.timeout(deadline):
            return await _Rest(waiting, reading)
    except TimeoutError as error:
        raise Problem(
            408, f"the request was not complete within {deadline:g} s", headers={"Connection": "close"}
        ) from error


class _Rest:
    """A coroutine that has begun and waits for something, to be awaited from there on."""

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


def media_type(scope: Scope, *allowed: str) -> str:
    """The body's media type; no header is the first of the allowed, where image/* allows every picture. Problem 415 if it is another."""
    given = content_type(scope, allowed[0])
    if given in allowed:
        return given
    given = given.split(";")[0].strip().lower()
    if given not in allowed and f"{given.split('/')[0]}/*" not in allowed:
        accepted = " or ".join(allowed)
        raise Problem(
            415, f"Content-Type must be {accepted}, is {given or 'empty'}", headers={"Accept": ", ".join(allowed)}
        )
    return given


def content_type(scope: Scope, otherwise: str) -> str:
    """The Content-Type header, with its parameters."""
    given = headers(scope).get(b"content-type")
    return otherwise if given is None else given.decode("latin-1")


def parameter(content_type: str, name: str) -> str | None:
    """A parameter of a Content-Type header, such as its charset."""
    given = parse_options_header(content_type)[1].get(name.encode())
    return None if given is None else given.decode("latin-1")


def parse_json(body: bytes) -> Any:
    """The JSON value. Problem 400 saying where it breaks. NaN and Infinity are let through, to be named by whoever checks."""
    try:
        return pydantic_core.from_json(body)
    except ValueError as error:
        raise Problem(400, f"the body is not JSON: {error}", title="Malformed JSON") from error


def parse_uploads(body: bytes, content_type: str) -> list[Upload]:
    """The files of a multipart form, kept in memory. Problem 400 if it is not one."""
    uploads: list[Upload] = []

    def keep(file: File) -> None:
        name = (file.file_name or b"file").decode(errors="replace")
        uploads.append(Upload(name, cast(BytesIO, file.file_object).getvalue()))

    try:
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        config = {"MAX_MEMORY_FILE_SIZE": len(body) + 1}  # a read-only container has nowhere to spill to
        form = FormParser(MULTIPART, on_field=None, on_file=keep, boundary=boundary, config=config)
        form.write(body)
        form.finalize()
    except FormParserError as error:
        raise Problem(400, f"the body is not a multipart form: {error}", title="Malformed form") from error
    return uploads


def _too_large(limit: int) -> Problem:
    return Problem(413, f"the body may have at most {limit} bytes", headers={"Connection": "close"})
