"""The bearer token in a file, which whoever asks has to know."""

from __future__ import annotations

import hmac
import logging
import time
from pathlib import Path

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

    def is_right(self, given: bytes) -> bool:
        """Whether this is the token, in a time that does not depend on what is wrong with it."""
        self._refresh()
        return hmac.compare_digest(given, self._token)

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
