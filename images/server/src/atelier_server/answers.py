"""Answers as JSON bytes."""

from __future__ import annotations

import json
from typing import Any

from atelier_server.problems import Problem


def dump(answer: Any) -> bytes:
    """Compact JSON. Problem 422 if a model gave NaN or infinity, which JSON cannot say."""
    try:
        return json.dumps(answer, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()
    except ValueError as error:
        raise Problem(422, "the model gives no finite number for this input", title="Invalid input") from error
