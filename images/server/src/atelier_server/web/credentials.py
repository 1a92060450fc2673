"""The bearer token that requests must carry, where one is required."""

from __future__ import annotations

import hmac
import logging
import time
from pathlib import Path

from atelier_server.web.problems import Problem

EVERY = 1.0
"""Seconds between two reads of the file."""

log = logging.getLogger(__name__)


class Token:
    """The token in a file, read again every second, since a mounted Secret may change.

    Raises at first what read() raises.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._token = read(path)
        self._read_at = time.monotonic()

    def check(self, authorization: bytes) -> None:
        """Problem 401 unless this Authorization header carries the token."""
        self._refresh()
        scheme, _, credentials = authorization.partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(credentials.strip(), self._token):
            missing = "a bearer token is needed" if not authorization else "the bearer token is not the right one"
            raise Problem(401, f"{missing}: Authorization: Bearer …", headers={"WWW-Authenticate": "Bearer"})

    def _refresh(self) -> None:
        if time.monotonic() - self._read_at < EVERY:
            return
        self._read_at = time.monotonic()
        try:
            self._token = read(self._path)
        except (OSError, ValueError) as error:
            log.error("the token stays what it was: %s", error)


def read(path: Path) -> bytes:
    """The token in a file. Raises OSError or ValueError if there is none."""
    token = path.read_bytes().strip()
    if not token or len(token.split()) > 1:
        raise ValueError(f"{path}: must hold one token, without spaces")
    return token
