"""The same test in two sizes: short with all others, full under the marker soak (make soak)."""

from typing import Any

import pytest


def sizes(short: Any, full: Any) -> list[Any]:
    """Values of a parameter of pytest's."""
    return [pytest.param(short, id="short"), pytest.param(full, id="full", marks=pytest.mark.soak)]
