"""Whether a network exceeds the budget."""

from __future__ import annotations

from atelier_store.spec import Budget


def exceeded(budget: Budget, params: int | None, macs: int | None, latency_ms: float | None) -> list[str]:
    """One line for every bound that is exceeded; None is not known, and exceeds nothing."""
    bounds = {
        "params": (params, budget.params),
        "macs": (macs, budget.macs),
        "latencyMs": (latency_ms, budget.latency_ms),
    }
    return [
        f"{name} {value:,} > {bound:,}"
        for name, (value, bound) in bounds.items()
        if value is not None and bound is not None and value > bound
    ]
