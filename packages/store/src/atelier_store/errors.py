"""The error of input that cannot be used."""

from __future__ import annotations

from collections.abc import Sequence


class InvalidInput(ValueError):
    """Input that cannot be used; violations lists everything that is wrong, one line each."""

    def __init__(self, violations: Sequence[str]) -> None:
        super().__init__("; ".join(violations))
        self.violations = list(violations)
