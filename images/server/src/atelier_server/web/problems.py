"""Every error that leaves this server, as RFC 9457 problem details. The only place that maps errors to statuses."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from atelier_server.codecs.violations import Invalid, Malformed, NotFinite, Unsupported, Violation
from atelier_server.inference.errors import Overloaded, TooLate
from atelier_server.models.errors import NoSuchModel, NothingPromoted, NotServable, Unavailable
from atelier_server.web import media_types
from atelier_server.web.request import InboundRequest

log = logging.getLogger(__name__)


class Problem(Exception):
    """An error that a client gets to see."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        type: str = "about:blank",
        title: str | None = None,
        errors: Sequence[Violation] = (),
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status, self.headers = status, headers
        self.body: dict[str, Any] = {"type": type, "title": title or HTTPStatus(status).phrase, "status": status}
        self.body |= {"detail": detail} | members
        if errors:
            self.body["errors"] = [{"pointer": pointer, "detail": wrong} for pointer, wrong in errors]

    def response(self, path: str, root: str = "") -> Response:
        """The response to a request for path, which the client sees below root.

        Clients of the inference protocol look for the message in `error`.
        """
        body = self.body | {"instance": root + path}
        if _is_v2(path):
            body["error"] = self.body["detail"]
        return Response(json.dumps(body), self.status, self.headers, media_types.PROBLEM)


class Kind(NamedTuple):
    """How an error is reported. Without a title it has the status's phrase."""

    status: int
    title: str | None = None
    type: str = "about:blank"
    headers: Mapping[str, str] | None = None


KINDS: dict[type[Exception], Kind] = {
    Malformed: Kind(400),
    Unsupported: Kind(415),
    Invalid: Kind(422, "Invalid input", "urn:atelier:problem:invalid-input"),
    NotFinite: Kind(422, "Invalid input"),
    NoSuchModel: Kind(404),
    NothingPromoted: Kind(503, "No model promoted yet", "urn:atelier:problem:no-model", {"Retry-After": "5"}),
    NotServable: Kind(503, headers={"Retry-After": "5"}),
    Overloaded: Kind(429, headers={"Retry-After": "1"}),
    TooLate: Kind(504, headers={"Retry-After": "1"}),
}
"""What the rooms below raise. The inference protocol has 400 in the place of 422."""


def response(error: Exception, request: InboundRequest) -> Response:
    """The response to a request that ended with this error."""
    return _problem(error, request).response(request.path, request.root)


def install(app: FastAPI) -> None:
    """Respond to every error of the app with a problem."""
    for kind in (*KINDS, Problem, HTTPException, RequestValidationError, ClientDisconnect, Exception):
        app.add_exception_handler(kind, _handle)


async def _handle(request: Request, error: Exception) -> Response:
    return response(error, InboundRequest.of(request.scope))


def _problem(error: Exception, request: InboundRequest) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        return _of_http(error, request)
    if isinstance(error, RequestValidationError):
        error = Invalid(("/".join(("#", *map(str, e["loc"]))), str(e["msg"])) for e in error.errors())
    if kind := KINDS.get(type(error)):
        return _of_kind(kind, error, _is_v2(request.path))
    if isinstance(error, ClientDisconnect):
        # nobody reads this; it keeps a client that went away out of the log and of the server's own failures
        return Problem(400, "the client went away before the end of its request")
    log.error("%s %s failed", request.scope["method"], request.path, exc_info=error)
    return Problem(500, "the server failed on this request; its log says why")


def _of_kind(kind: Kind, error: Exception, is_v2: bool) -> Problem:
    return Problem(
        400 if is_v2 and kind.status == 422 else kind.status,
        str(error),
        type=kind.type,
        title=f"Malformed {error.format}" if isinstance(error, Malformed) else kind.title,
        errors=error.violations if isinstance(error, Invalid) else (),
        headers=kind.headers,
        **({"name": error.name, "ready": False} if is_v2 and isinstance(error, Unavailable) else {}),
    )


def _is_v2(path: str) -> bool:
    return path.startswith("/v2")


def _of_http(error: HTTPException, request: InboundRequest) -> Problem:
    headers, detail = dict(error.headers or {}), error.detail
    if error.status_code == 404:
        detail = f"there is nothing at {request.root}{request.path}; the API is described at {request.root}/docs"
    if error.status_code == 405:
        allowed = headers["Allow"] = _with_head(headers.get("Allow", "GET"))
        detail = f"{request.method} is not allowed here; allowed: {allowed}"
    return Problem(error.status_code, detail, headers=headers)


def _with_head(allowed: str) -> str:
    """The methods of an Allow header, with the HEAD that comes with every GET."""
    methods = set(allowed.split(", "))
    return ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))
