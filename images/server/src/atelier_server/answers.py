"""Answers as JSON bytes."""

from __future__ import annotations

import json
from typing import Any

from atelier_server.problems import Problem


def dump(answer: Any) -> bytes:
    """Compact JSON. Problem 500 if a model gave NaN or infinity, which JSON cannot say."""
    try:
        return json.dumps(answer, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()
    except ValueError as error:
        raise Problem(500, "the model gave a number that is not finite for this input") from error
