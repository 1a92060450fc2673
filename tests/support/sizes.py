"""The same test in two sizes: short with all others, full under the marker soak (make soak)."""

from typing import Any

import pytest


def sizes(short: Any, full: Any) -> list[Any]:
    """Values of a parameter of pytest's; tuples are those of several."""
    short, full = (one if isinstance(one, tuple) else (one,) for one in (short, full))
    return [pytest.param(*short, id="short"), pytest.param(*full, id="full", marks=pytest.mark.soak)]
