"""Whether a network costs more than it may."""

from __future__ import annotations

from atelier_store.spec import Budget


def exceeded(budget: Budget, params: int | None, macs: int | None, latency_ms: float | None) -> list[str]:
    """One line for every bound that is exceeded; what is not known (None) exceeds nothing."""
    found = {
        "params": (params, budget.params),
        "macs": (macs, budget.macs),
        "latencyMs": (latency_ms, budget.latency_ms),
    }
    return [
        f"{name} {value:,} > {bound:,}"
        for name, (value, bound) in found.items()
        if value is not None and bound is not None and value > bound
    ]
