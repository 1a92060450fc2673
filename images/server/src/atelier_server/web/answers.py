"""Successful responses, as bytes."""

from __future__ import annotations

from starlette.responses import Response


class Answer(Response):
    """A 200 with the headers as they are sent; Starlette's own constructor takes longer than a small model."""

    def __init__(self, body: bytes, media_type: bytes, *headers: tuple[bytes, bytes]) -> None:
        self.status_code, self.body, self.background = 200, body, None
        self.raw_headers = [(b"content-type", media_type), (b"content-length", str(len(body)).encode()), *headers]
