"""One line of JSON for every request, on standard output; the server's own log is on standard error."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

from atelier_store import clock

from atelier_server.codecs import json
from atelier_server.web.request import InboundRequest

TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C trace context: version, trace, span, flags."""

MAPPED = "::ffff:"
"""Before the address of a client by IPv4, where IPv6 is listened on as well."""

log = logging.getLogger("atelier_server.access")


def start() -> None:
    """Set up the log."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


def write(request: InboundRequest, status: int, seconds: float, request_id: str, traceparent: bytes) -> None:
    """Write the line of one request."""
    trace, model, client = TRACEPARENT.fullmatch(traceparent), request.model, request.scope["client"]
    line: dict[str, Any] = {
        "time": clock.now(),
        "method": request.method,
        "path": request.path,
        "status": status,
        "seconds": round(seconds, 6),
        "client": client[0].removeprefix(MAPPED) if client else None,
        "request_id": request_id,
        "trace_id": trace[1].decode() if trace else None,
        "model": model.name if model else None,
        "version": model.version if model else None,
    }
    log.info(json.dump(line).decode())
