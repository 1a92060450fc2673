"""What every worker counts; Prometheus' client keeps it in files that all of them share, so that any of them can tell the sum."""

from __future__ import annotations

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from atelier_server.model import Model

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for every one, which nobody asks for


class Metrics:
    """Seconds throughout, as Prometheus wants it; names begin with atelier_.

    In files only where PROMETHEUS_MULTIPROC_DIR was set before Prometheus' client was imported.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        labels = ["endpoint", "status", "model", "version"]
        self._requests = Counter("atelier_requests", "Requests by endpoint, HTTP status and model.", labels, registry=registry)
        self._seconds = Histogram("atelier_request_duration_seconds", "Time to answer.", ["endpoint"], buckets=BUCKETS, registry=registry)
        self.queued = Histogram(
            "atelier_queue_duration_seconds", "Time that long predictions waited for a thread.", buckets=BUCKETS, registry=registry
        )
        self._rows = Histogram("atelier_request_rows", "Rows of a request.", buckets=ROWS, registry=registry)
        self._predictions = Counter("atelier_predictions", "Rows predicted.", ["model", "version"], registry=registry)
        self._classes = Counter("atelier_predicted_classes", "Rows by predicted class.", ["model", "version", "label"], registry=registry)
        self.swaps = Counter("atelier_model_swaps", "Times that a worker went on with another version.", registry=registry)
        self.evictions = Counter("atelier_model_evictions", "Models that a worker let go for want of room.", registry=registry)
        self.refresh_failures = Counter(
            "atelier_pointer_refresh_failures", "Looks at current.json that gave no usable version.", registry=registry
        )
        self._children: dict[tuple[str, ...], tuple[Counter, Histogram]] = {}

    def answered(self, endpoint: str, status: int, model: Model | None, seconds: float) -> None:
        """A request has been answered."""
        key = (endpoint, str(status), model.name, model.version) if model else (endpoint, str(status), "", "")
        children = self._children.get(key)
        if children is None:
            children = self._children[key] = self._requests.labels(*key), self._seconds.labels(endpoint)
        children[0].inc()
        children[1].observe(seconds)

    def predicted(self, model: Model, rows: int, outputs: np.ndarray | None) -> None:
        """Rows have been predicted; outputs is the model's first output for them, if it was asked for."""
        self._rows.observe(rows)
        self._predictions.labels(model.name, model.version).inc(rows)
        labels = model.manifest.labels
        if labels and outputs is not None:
            for chosen, count in enumerate(np.bincount(outputs.argmax(axis=1)).tolist()):
                if count:
                    self._classes.labels(model.name, model.version, labels[chosen]).inc(count)
