"""One request, from the edge to the route that answers it."""

from __future__ import annotations

from starlette.types import Receive, Scope

from atelier_server.inference.threads import Threads
from atelier_server.models.model import Model
from atelier_server.web import prefix

KEY = "atelier.request"
"""Where an ASGI scope holds the request, for routes and handlers that FastAPI calls."""


class InboundRequest:
    """The head of a request, and what the edge counts and logs: the endpoint's template and the model that answers.

    root is the prefix below which the client sees the server, path the server's own path behind it. Routes see HEAD as
    GET; uvicorn leaves the body out. Of headers with the same name the last one counts.
    """

    def __init__(self, scope: Scope, receive: Receive, root_path: str = "") -> None:
        self.method: str = scope["method"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.root, self.path = prefix.split(scope["path"], self.headers.get(prefix.HEADER, b""), root_path)
        self.receive = receive
        self.endpoint = "none"
        self.model: Model | None = None
        self._admitted_by: Threads | None = None
        self.scope: Scope = {**scope, "method": "GET"} if self.method == "HEAD" else scope
        if self.root:
            self.scope = {**self.scope, "root_path": self.root, "path": self.root + self.path}
        self.scope[KEY] = self

    @classmethod
    def of(cls, scope: Scope) -> InboundRequest:
        """The request that a scope belongs to."""
        request: InboundRequest = scope[KEY]
        return request

    @property
    def content_type(self) -> str | None:
        """The Content-Type header, with its parameters."""
        value = self.headers.get(b"content-type")
        return None if value is None else value.decode("latin-1")

    def admit(self, threads: Threads) -> None:
        """Count the request as under way, until it is dismissed. Raises Overloaded."""
        threads.admit()
        self._admitted_by = threads

    def dismiss(self) -> None:
        """The request is over. Does nothing if it was not admitted."""
        if self._admitted_by:
            self._admitted_by.dismiss()
