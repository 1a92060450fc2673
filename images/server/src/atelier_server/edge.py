"""The outermost layer: lets in, numbers, counts, times and logs every request, and answers HEAD wherever GET is."""

from __future__ import annotations

import os
import re
import time
from itertools import count

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from atelier_server import access_log, problems, shortcut
from atelier_server.credentials import Token
from atelier_server.service import MODEL, Service

OPEN = ("/v2/health/live", "/v2/health/ready")
"""What probes ask, who carry no token."""

REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")


class Edge:
    """Wraps the application. Requests that no route matches, and those for static files, are counted under the endpoint `none`.

    A request keeps the X-Request-ID and traceparent that it came with, or gets an X-Request-ID; the answer has them as well. What comes to
    metrics_port, if there is one, is answered by counters, without a token.
    """

    def __init__(
        self, app: ASGIApp, counters: ASGIApp, service: Service, *, token: Token | None, logs: bool, metrics_port: int | None
    ) -> None:
        self._app, self._counters, self._service = app, counters, service
        self._token, self._logs, self._metrics_port = token, logs, metrics_port
        self._ids, self._prefix = count(1), os.urandom(6).hex()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        started, status = time.perf_counter(), 500
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET", "asked_method": "HEAD"}  # the HTTP layer leaves the body out
        if self._metrics_port is not None and scope["server"][1] == self._metrics_port:
            return await self._counters(scope, receive, send)
        headers = dict(scope["headers"])
        given, traceparent = headers.get(b"x-request-id", b""), headers.get(b"traceparent", b"")
        request_id = given if REQUEST_ID.fullmatch(given) else f"{self._prefix}-{next(self._ids):x}".encode()

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", request_id))
                if access_log.TRACEPARENT.fullmatch(traceparent):
                    message["headers"].append((b"traceparent", traceparent))
            await send(message)

        taken = None
        try:
            taken = await self._answer(scope, headers.get(b"authorization", b""), receive, sending)
        finally:
            seconds, model = time.perf_counter() - started, scope.get(MODEL)
            endpoint = taken or str(getattr(scope.get("route"), "path", "none"))
            self._service.metrics.answered(endpoint, status, model, seconds)
            if self._logs:
                access_log.write(scope, status, seconds, request_id.decode(), model, traceparent)
        return None

    async def _answer(self, scope: Scope, authorization: bytes, receive: Receive, send: Send) -> str | None:
        """Send the answer; the result is the template of the path if it went the short way."""
        if self._token and scope["path"] not in OPEN:
            try:
                self._token.check(authorization)
            except problems.Problem as refused:
                await refused.response(scope["path"])(scope, receive, send)
                return None
        found = shortcut.find(self._service, scope, receive)
        if found is None:
            await self._app(scope, receive, send)
            return None
        endpoint, answer = found
        try:
            response = await answer
        except Exception as error:
            response = problems.response(error, scope)
        await response(scope, receive, send)
        return endpoint
