"""The short way from a request for predictions to its answer: no router, no middleware, no validation of what is validated anyway.

FastAPI has the same routes, which call the same functions; it describes them, and answers what does not look as it nearly always does.
"""

from __future__ import annotations

from collections.abc import Awaitable
from functools import lru_cache

from starlette.responses import Response
from starlette.types import Receive, Scope

from atelier_server.inference.service import Service
from atelier_server.web.routes import predict, v2

PREDICT = "/predict"


def find(service: Service, scope: Scope, receive: Receive) -> tuple[str, Awaitable[Response]] | None:
    """The template of the path, and the answer to come; None if the request has to go the long way."""
    if scope["method"] != "POST" or scope["query_string"]:
        return None
    template, *named = _parts(scope["path"])
    if template == PREDICT:
        return template, predict.answer(service, scope, receive)
    return (template, v2.answer(service, scope, receive, *named)) if template else None


@lru_cache(1024)
def _parts(path: str) -> tuple[str, ...] | tuple[str, str, str | None]:
    """The template of a path, and the name and version in it; the template is empty if it is another."""
    match path.split("/"):
        case ["", "v2", "models", name, "infer"]:
            return "/v2/models/{name}/infer", name, None
        case ["", "v2", "models", name, "versions", version, "infer"]:
            return "/v2/models/{name}/versions/{version}/infer", name, version
        case ["", "predict"]:
            return (PREDICT,)
    return ("",)
