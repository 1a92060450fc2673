"""Answers as JSON bytes."""

from __future__ import annotations

import msgspec
import numpy as np
from starlette.responses import Response

from atelier_server.codecs.packing import is_finite
from atelier_server.web.problems import Problem

dump = msgspec.json.Encoder().encode


class Answer(Response):
    """A 200 whose headers are given as they are sent; Starlette's own way to them takes longer than a small model."""

    def __init__(self, body: bytes, media_type: bytes, *headers: tuple[bytes, bytes]) -> None:
        self.status_code, self.body, self.background = 200, body, None
        self.raw_headers = [(b"content-type", media_type), (b"content-length", str(len(body)).encode()), *headers]


def check_finite(outputs: np.ndarray, status: int) -> None:
    """Problem with this status if a model gave NaN or infinity, which JSON cannot say."""
    if not is_finite(outputs):
        raise Problem(status, "the model gives no finite number for this input", title="Invalid input")
