"""Request bodies: bounded, of the right type, whole."""

from __future__ import annotations

from io import BytesIO
from typing import Any, cast

import pydantic_core
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import File, FormParser, parse_options_header

from atelier_server.pictures import Upload
from atelier_server.problems import Problem

MOST_DISCARDED = 64 * 2**20
"""Bytes of a body over the limit that are still read: most clients look at the answer only when they have sent everything."""

JSON = "application/json"
MULTIPART = "multipart/form-data"


async def read(request: Request, limit: int) -> bytes:
    """The whole body. Problem 413 if it has more than limit bytes, of which no more than limit are ever kept; 415 if it is compressed."""
    if (encoding := request.headers.get("content-encoding", "identity")) != "identity":
        raise Problem(415, f"Content-Encoding must be identity, is {encoding}", headers={"Accept-Encoding": "identity"})
    declared = request.headers.get("content-length", "")
    size, body = int(declared) if declared.isdecimal() else 0, bytearray()
    if size > limit and (size > limit + MOST_DISCARDED or "expect" in request.headers):
        raise _too_large(limit)
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received <= limit:
            body += chunk
        elif received > limit + MOST_DISCARDED:
            break
    if received > limit:
        raise _too_large(limit)
    return bytes(body)


def media_type(request: Request, *allowed: str) -> str:
    """The body's media type; no header is JSON. Problem 415 unless one of the allowed, where image/* allows every picture."""
    given = request.headers.get("content-type", JSON).split(";")[0].strip().lower()
    if given not in allowed and f"{given.split('/')[0]}/*" not in allowed:
        accepted = " or ".join(allowed)
        raise Problem(415, f"Content-Type must be {accepted}, is {given or 'empty'}", headers={"Accept": ", ".join(allowed)})
    return given


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
