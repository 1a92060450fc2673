"""The short way of a prediction to its response: no router, no middleware, no validation.

FastAPI has the same routes, which call the same functions. It describes them, and answers requests with a query.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import lru_cache

from starlette.responses import Response

from atelier_server.inference.service import Service
from atelier_server.web.request import InboundRequest
from atelier_server.web.routes import predict, v2

ROUTES: dict[str, Callable[..., Awaitable[Response]]] = {
    predict.PATH: predict.answer,
    v2.INFER: v2.answer,
    v2.INFER_VERSION: v2.answer,
}
"""Functions of a service, a request and the parameters in its path, by the path's template."""

_PATTERNS = {path: re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]*)", path)) for path in ROUTES}


def find(service: Service, request: InboundRequest) -> Awaitable[Response] | None:
    """The response to come; None if the request has to take the long way."""
    if request.method != "POST" or request.scope["query_string"]:
        return None
    template, parameters = _match(request.path)
    if template is None:
        return None
    request.endpoint = template
    return ROUTES[template](service, request, **parameters)


@lru_cache(1024)
def _match(path: str) -> tuple[str | None, dict[str, str]]:
    """The template of a path and the parameters in it; None if it has no short way."""
    for template, pattern in _PATTERNS.items():
        if match := pattern.fullmatch(path):
            return template, match.groupdict()
    return None, {}
