"""Kubernetes' quantities as numbers."""

from __future__ import annotations

from decimal import Decimal

from lightkube.utils.quantity import parse_quantity


def amount(quantity: str | float) -> Decimal:
    """What a quantity comes to: 0.5 for 500m, 1024 for 1Ki."""
    parsed = parse_quantity(str(quantity))
    assert parsed is not None  # only None is
    return parsed
