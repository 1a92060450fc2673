"""The outermost layer: lets in, numbers, counts, times and logs every request, and answers HEAD wherever GET is."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Awaitable
from itertools import count

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from atelier_server.inference.service import MODEL, Service
from atelier_server.web import access_log, body, problems, shortcut
from atelier_server.web.credentials import Token

OPEN = ("/", "/v2/health/live", "/v2/health/ready")
"""What is asked without a token: by probes, and by a browser that opens the page, whose files tell nothing of the model."""

REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")


class Edge:
    """Wraps the application. Requests that no route matches, and those for static files, are counted under the endpoint `none`.

    A request keeps the X-Request-ID and traceparent that it came with, or gets an X-Request-ID; the answer has them as well. What comes to
    metrics_port, if there is one, is answered by counters, without a token.
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
    ) -> None:
        self._app, self._counters, self._service = app, counters, service
        self._token, self._logs, self._metrics_port = token, logs, metrics_port
        self._ids, self._prefix = count(1), os.urandom(6).hex().encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        started = time.perf_counter()
        if self._metrics_port is not None and scope["server"][1] == self._metrics_port:
            return await self._counters(scope, receive, send)
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET", "asked_method": "HEAD"}  # the HTTP layer leaves the body out
        headers = body.headers(scope)
        given, traceparent = headers.get(b"x-request-id", b""), headers.get(b"traceparent", b"")
        request_id = given if given and REQUEST_ID.fullmatch(given) else b"%s-%x" % (self._prefix, next(self._ids))
        added = [(b"x-request-id", request_id)]
        if traceparent and access_log.TRACEPARENT.fullmatch(traceparent):
            added.append((b"traceparent", traceparent))
        status, endpoint = 500, "none"
        try:
            short = self._refused(scope) or shortcut.find(self._service, scope, receive)
            if short:
                endpoint, response = short[0], await _settled(scope, short[1])
                status = response.status_code
                await send({"type": "http.response.start", "status": status, "headers": response.raw_headers + added})
                await send({"type": "http.response.body", "body": response.body})
            else:
                status = await self._long(scope, receive, send, added)
                endpoint = getattr(scope.get("route"), "path", "none")
        finally:
            self._service.threads.dismiss(scope)
            seconds, model = time.perf_counter() - started, scope.get(MODEL)
            self._service.metrics.answered(endpoint, status, model, seconds)
            if self._logs:
                access_log.write(scope, status, seconds, request_id.decode(), model, traceparent)
        return None

    async def _long(self, scope: Scope, receive: Receive, send: Send, added: list[tuple[bytes, bytes]]) -> int:
        """Have the application answer, with these headers too; the result is the status."""
        status = 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._app(scope, receive, sending)
        return status

    def _refused(self, scope: Scope) -> tuple[str, Awaitable[Response]] | None:
        """The answer to who may not ask."""
        if self._token is None or scope["path"] in OPEN or scope["path"].startswith("/page/"):
            return None
        try:
            self._token.check(body.headers(scope).get(b"authorization", b""))
        except problems.Problem as refused:
            return "none", _raise(refused)
        return None


async def _raise(problem: problems.Problem) -> Response:
    raise problem


async def _settled(scope: Scope, answer: Awaitable[Response]) -> Response:
    """The answer, or the problem that came instead."""
    try:
        return await answer
    except Exception as error:
        return problems.response(error, scope)
