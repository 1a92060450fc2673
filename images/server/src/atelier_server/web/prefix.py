"""The path below which a proxy shows this server, such as /digits.

A proxy strips it from the paths that it sends on, or leaves it there; it names it in a header, or not. Links, scripts
and the documentation's addresses are relative, so nothing but the page itself, which may be opened without the last
slash, has to know it.
"""

from __future__ import annotations

import re

HEADER = b"x-forwarded-prefix"
"""Set by proxies that strip a prefix."""

OWN = ("docs", "metrics", "model", "openapi.json", "predict", "redoc", "static-offline-docs", "v2")
"""Where the server's own paths begin. None of them is a prefix: a proxy may send on /v2 and nothing else."""

_PREFIX = re.compile(r"((/[A-Za-z0-9._~-]+)*)/?")


def parse(text: str) -> str | None:
    """A prefix without a slash at its end; empty for / and for the server's own paths; None if the text is no path."""
    found = _PREFIX.fullmatch(text)
    if found is None:
        return None
    return "" if found[1].partition("/")[2].partition("/")[0] in OWN else found[1]


def split(path: str, header: bytes, configured: str) -> tuple[str, str]:
    """The prefix that the client sees, and the server's own path behind it.

    path is what has arrived, header what a proxy says that it has stripped; configured is the prefix that may be left.
    """
    stripped = (parse(header.decode("latin-1")) or "") if header else ""
    if configured and (path == configured or path.startswith(f"{configured}/")):
        return stripped + configured, path[len(configured) :] or "/"
    return stripped or configured, path
