"""Metrics on standard output, as Katib reads them: `2026-01-02T03:04:05.678Z val_accuracy=0.9312`, one a line."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from atelier_store.spec import Objective


class MetricLines:
    """Prints the metrics that the objective names, at least a millisecond apart: Katib orders lines by their time.

    marks has more names of the objective, by the epoch at which its exact value is printed under them.
    """

    def __init__(self, objective: Objective, marks: Mapping[int, str] | None = None) -> None:
        self.objective = objective.objective_metric_name
        self.names = (self.objective, *objective.additional_metric_names)
        self.marks = marks or {}
        self.last = datetime.fromtimestamp(0, UTC)

    def print(self, metrics: dict[str, float], epoch: int | None = None) -> None:
        """Print one line per metric, and the mark of this epoch.

        ValueError, before anything is printed, if one is not finite.
        """
        chosen = {name: metrics[name] for name in self.names if name in metrics}
        if not all(map(math.isfinite, chosen.values())):
            raise ValueError(f"a metric is not finite: {chosen}")
        texts = {name: f"{value:.6g}" for name, value in chosen.items()}
        if epoch is not None and epoch in self.marks:
            texts[self.marks[epoch]] = repr(metrics[self.objective])
        for name, text in texts.items():
            self.last = max(datetime.now(UTC), self.last + timedelta(milliseconds=1))
            moment = self.last.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
            sys.stdout.write(f"{moment}Z {name}={text}\n")
        sys.stdout.flush()
