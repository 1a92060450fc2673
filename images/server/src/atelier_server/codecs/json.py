"""JSON, from bytes and to bytes."""

from __future__ import annotations

from typing import Any

import msgspec
import pydantic_core

from atelier_server.codecs.violations import Malformed

dump = msgspec.json.Encoder().encode


def parse(content: bytes) -> Any:
    """The JSON value, with NaN and Infinity, which values.py rejects by name. Raises Malformed, naming the place."""
    try:
        return pydantic_core.from_json(content)
    except ValueError as error:
        raise Malformed("JSON", f"the body is not JSON: {error}") from error
