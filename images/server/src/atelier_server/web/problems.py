"""Every error that leaves this server: RFC 9457 problem details."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Scope

MEDIA_TYPE = "application/problem+json"
log = logging.getLogger(__name__)


class Problem(Exception):
    """An error to be told to the client. errors lists (JSON pointer, what is wrong) of every violation."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        type: str = "about:blank",
        title: str | None = None,
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status, self.headers = status, headers
        self.body: dict[str, Any] = {"type": type, "title": title or HTTPStatus(status).phrase, "status": status}
        self.body |= {"detail": detail} | members
        if errors:
            self.body["errors"] = [{"pointer": pointer, "detail": wrong} for pointer, wrong in errors]

    def response(self, path: str) -> Response:
        """The answer to a request for path. The inference protocol's clients look for the message in `error`."""
        body = self.body | {"instance": path}
        if path.startswith("/v2"):
            body["error"] = self.body["detail"]
        return Response(json.dumps(body), self.status, self.headers, MEDIA_TYPE)


class Invalid(Problem):
    """Input that was understood and cannot be used: all violations at once."""

    def __init__(self, errors: Sequence[tuple[str, str]], status: int = 422) -> None:
        first = "; ".join(f"{pointer}: {wrong}" for pointer, wrong in errors[:3])
        more = f"; and {len(errors) - 3} more" if len(errors) > 3 else ""
        super().__init__(
            status, first + more, type="urn:atelier:problem:invalid-input", title="Invalid input", errors=errors
        )


def no_model(reason: str | None, /, **members: Any) -> Problem:
    """503: there is nothing to predict with yet, and why."""
    return Problem(
        503,
        f"no model promoted yet: {reason}",
        type="urn:atelier:problem:no-model",
        title="No model promoted yet",
        headers={"Retry-After": "5"},
        **members,
    )


def response(error: Exception, scope: Scope) -> Response:
    """The problem to answer with when error came of the request in scope."""
    path = scope["path"]
    if isinstance(error, Problem):
        return error.response(path)
    if isinstance(error, HTTPException):
        return _of_http(error, scope).response(path)
    if isinstance(error, RequestValidationError):
        return Invalid([("/".join(("#", *map(str, e["loc"]))), str(e["msg"])) for e in error.errors()]).response(path)
    if isinstance(error, ClientDisconnect):
        # nobody reads this; it keeps a client that went away out of the log and of the server's own failures
        return Problem(400, "the client went away before the end of its request").response(path)
    log.error("%s %s failed", scope["method"], path, exc_info=error)
    return Problem(500, "the server failed on this request; its log says why").response(path)


def install(app: FastAPI) -> None:
    """Answer every error of the app with a problem."""
    for kind in (Problem, HTTPException, RequestValidationError, ClientDisconnect, Exception):
        app.add_exception_handler(kind, _handle)


async def _handle(request: Request, error: Exception) -> Response:
    return response(error, request.scope)


def _of_http(error: HTTPException, scope: Scope) -> Problem:
    headers, detail = dict(error.headers or {}), error.detail
    if error.status_code == 404:
        detail = f"there is nothing at {scope['path']}; the API is described at /docs"
    if error.status_code == 405:
        allowed = headers["Allow"] = _with_head(headers.get("Allow", "GET"))
        detail = f"{scope.get('asked_method', scope['method'])} is not allowed here; allowed: {allowed}"
    return Problem(error.status_code, detail, headers=headers)


def _with_head(allowed: str) -> str:
    """The methods of an Allow header, with the HEAD that comes with every GET."""
    methods = set(allowed.split(", "))
    return ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))
