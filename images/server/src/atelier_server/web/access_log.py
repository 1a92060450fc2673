"""One line of JSON for every request, on standard output; the server's own log is on standard error."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

from atelier_store import clock
from starlette.types import Scope

from atelier_server.models.model import Model
from atelier_server.web import answers

TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C trace context: version, trace, span, flags."""

log = logging.getLogger("atelier_server.access")


def start() -> None:
    """Write lines from now on."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


def write(scope: Scope, status: int, seconds: float, request_id: str, model: Model | None, traceparent: bytes) -> None:
    """The line of one request."""
    trace = TRACEPARENT.fullmatch(traceparent)
    line: dict[str, Any] = {
        "time": clock.now(),
        "method": scope.get("asked_method", scope["method"]),
        "path": scope["path"],
        "status": status,
        "seconds": round(seconds, 6),
        "client": scope["client"][0] if scope["client"] else None,
        "request_id": request_id,
        "trace_id": trace[1].decode() if trace else None,
        "model": model.name if model else None,
        "version": model.version if model else None,
    }
    log.info(answers.dump(line).decode())
