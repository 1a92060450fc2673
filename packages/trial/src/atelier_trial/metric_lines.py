"""Metrics on standard output, as Katib reads them: `2026-01-02T03:04:05.678Z val_accuracy=0.9312`, one a line."""

from __future__ import annotations

import math
import sys
from datetime import UTC, datetime, timedelta

from atelier_store.spec import Objective


class MetricLines:
    """Prints the metrics that the objective names, at least a millisecond apart: Katib orders lines by their time."""

    def __init__(self, objective: Objective) -> None:
        self.names = (objective.objective_metric_name, *objective.additional_metric_names)
        self.last = datetime.fromtimestamp(0, UTC)

    def print(self, metrics: dict[str, float]) -> None:
        """Print one line per metric. ValueError, before anything is printed, if one is not finite."""
        chosen = {name: metrics[name] for name in self.names if name in metrics}
        if not all(map(math.isfinite, chosen.values())):
            raise ValueError(f"a metric is not finite: {chosen}")
        for name, value in chosen.items():
            self.last = max(datetime.now(UTC), self.last + timedelta(milliseconds=1))
            moment = self.last.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
            sys.stdout.write(f"{moment}Z {name}={value:.6g}\n")
        sys.stdout.flush()
