"""The outermost layer: checks the token, numbers, counts, times and logs every request."""

from __future__ import annotations

import os
import re
import time
from itertools import count

from atelier_store.tokens import Token
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from atelier_server.inference.service import Service
from atelier_server.web import access_log, credentials, problems, shortcut
from atelier_server.web.request import InboundRequest
from atelier_server.web.routes import v2

OPEN = ("/", v2.HEALTH_LIVE, v2.HEALTH_READY)
"""Paths that need no token: for probes, and for a browser that opens the page."""

REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")


class Edge:
    """Wraps the application. Requests for static files, and for no route at all, are counted as endpoint `none`.

    A response carries the request's X-Request-ID, or a new one, and its traceparent. Requests to metrics_port, if there
    is one, are answered by counters, without a token.
    """

    def __init__(
        self,
        app: ASGIApp,
        counters: ASGIApp,
        service: Service,
        *,
        token: Token | None,
        logs: bool,
        metrics_port: int | None,
        root_path: str,
    ) -> None:
        self._app, self._counters, self._service = app, counters, service
        self._root_path = root_path
        self._token, self._logs, self._metrics_port = token, logs, metrics_port
        self._ids, self._prefix = count(1), os.urandom(6).hex().encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        started = time.perf_counter()
        if self._metrics_port is not None and scope["server"][1] == self._metrics_port:
            return await self._counters(scope, receive, send)
        request = InboundRequest(scope, receive, self._root_path)
        sent_id, traceparent = request.headers.get(b"x-request-id", b""), request.headers.get(b"traceparent", b"")
        request_id = (
            sent_id if sent_id and REQUEST_ID.fullmatch(sent_id) else b"%s-%x" % (self._prefix, next(self._ids))
        )
        added = [(b"x-request-id", request_id)]
        if traceparent and access_log.TRACEPARENT.fullmatch(traceparent):
            added.append((b"traceparent", traceparent))
        status = 500
        try:
            response = await self._short(request)
            if response:
                status = response.status_code
                await send({"type": "http.response.start", "status": status, "headers": response.raw_headers + added})
                await send({"type": "http.response.body", "body": response.body})
            else:
                status = await self._long(request, send, added)
        finally:
            request.dismiss()
            seconds = time.perf_counter() - started
            self._service.metrics.answered(request.endpoint, status, request.model, seconds)
            if self._logs:
                access_log.write(request, status, seconds, request_id.decode(), traceparent)
        return None

    async def _short(self, request: InboundRequest) -> Response | None:
        """The response without the application: to a prediction, or to a request without the token; None to others."""
        try:
            if self._token and request.path not in OPEN:
                credentials.check(self._token, request.headers.get(b"authorization", b""))
            answer = shortcut.find(self._service, request)
            return await answer if answer else None
        except Exception as error:
            return problems.response(error, request)

    async def _long(self, request: InboundRequest, send: Send, added: list[tuple[bytes, bytes]]) -> int:
        """Let the application respond, with these headers in addition; the result is the status."""
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._app(request.scope, request.receive, send_with_headers)
        request.endpoint = getattr(request.scope.get("route"), "path", "none")
        return status
