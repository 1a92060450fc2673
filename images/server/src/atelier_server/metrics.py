"""What this server counts, in a registry of its own."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics
from prometheus_client.process_collector import ProcessCollector

from atelier_server.model import Model

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for every one, which nobody asks for


class Metrics:
    """Seconds throughout, as Prometheus wants it; names begin with atelier_."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter("atelier_requests", "Requests by endpoint and HTTP status.", ["endpoint", "status"], registry=registry)
        self.seconds = Histogram("atelier_request_duration_seconds", "Time to answer.", ["endpoint"], buckets=BUCKETS, registry=registry)
        self.predictions = Counter("atelier_predictions", "Rows predicted.", registry=registry)
        self.loaded = Gauge("atelier_model_loaded", "1 if a model is served, else 0.", registry=registry)
        self.model = Info("atelier_model", "The model that is served.", registry=registry)
        self.load_time = Gauge("atelier_model_load_timestamp_seconds", "When the served version was loaded.", registry=registry)
        self.load_seconds = Gauge("atelier_model_load_seconds", "How long loading the served version took.", registry=registry)
        self.refresh_failures = Counter(
            "atelier_pointer_refresh_failures", "Looks at current.json that gave no usable version.", registry=registry
        )

    def serves(self, model: Model, seconds: float) -> None:
        """Note the model that is served from now on, and how long it took to load."""
        provenance = model.manifest.provenance
        self.model.info(
            {
                "model": model.name,
                "version": model.version,
                "experiment": provenance.experiment,
                "trial": provenance.trial,
                "key": provenance.key,
            }
        )
        self.loaded.set(1)
        self.load_time.set(time.time())
        self.load_seconds.set(seconds)
