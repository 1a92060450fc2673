"""Who may see the board, where a token is asked for: in a header, or as the password that a browser asks for itself.

A password needs no page of ours and no script, and a link that somebody follows carries it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

from atelier_store.tokens import Token
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

HEALTH = "/health"
"""The path that needs no token: for probes."""


ASKS = {"WWW-Authenticate": 'Basic realm="the board: any name, and the token as password", charset="UTF-8"'}


class Access:
    """Lets requests with the token through: as `Authorization: Bearer …`, or `Basic …` with any name.

    The others are answered by refuse, with the 401 that makes a browser ask for a password.
    """

    def __init__(self, app: ASGIApp, token: Token, refuse: Callable[[Request, Exception], Response]) -> None:
        self._app, self._token, self._refuse = app, token, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        answer: ASGIApp = self._app
        if scope["type"] == "http" and scope["path"] != HEALTH:
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not self._token.is_right(_credentials(given)):
                missing = "the token is not the right one" if given else "a token is needed"
                refusal = HTTPException(401, f"{missing}: Authorization: Bearer …", headers=ASKS)
                answer = self._refuse(Request(scope), refusal)
        await answer(scope, receive, send)


def _credentials(authorization: bytes) -> bytes:
    """The token that an Authorization header carries; empty if it carries none."""
    scheme, _, given = authorization.partition(b" ")
    if scheme.lower() == b"bearer":
        return given.strip()
    if scheme.lower() != b"basic":
        return b""
    try:
        return base64.b64decode(given.strip(), validate=True).partition(b":")[2]
    except binascii.Error:
        return b""
