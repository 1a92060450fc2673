"""The bearer token that requests must carry, where one is required."""

from __future__ import annotations

from atelier_store.tokens import Token

from atelier_server.web.problems import Problem


def check(token: Token, authorization: bytes) -> None:
    """Problem 401 unless this Authorization header carries the token."""
    scheme, _, credentials = authorization.partition(b" ")
    if scheme.lower() != b"bearer" or not token.is_right(credentials.strip()):
        missing = "a bearer token is needed" if not authorization else "the bearer token is not the right one"
        raise Problem(401, f"{missing}: Authorization: Bearer …", headers={"WWW-Authenticate": "Bearer"})
