"""What every worker counts; Prometheus' client keeps it in files that all of them share, so that any of them can tell the sum."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter as Tally
from collections import defaultdict, deque
from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from atelier_server.models import drift
from atelier_server.models.model import Model

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for every one, which nobody asks for


class Answered(NamedTuple):
    """One request: the template of its path, its status, its model, and the seconds that it took."""

    endpoint: str
    status: int
    model: Model | None
    seconds: float


class Predicted(NamedTuple):
    """Rows that have been predicted, the model's first output for them, if it was asked for, and those of the inputs to be compared."""

    model: Model
    rows: int
    outputs: np.ndarray | None
    inputs: np.ndarray | None


class Batched(NamedTuple):
    """Rows of one or more requests that went through a network at once."""

    rows: int


class Metrics:
    """Seconds throughout, as Prometheus wants it; names begin with atelier_.

    What happens a thousand times a second is only noted; flush() counts it. In files only where PROMETHEUS_MULTIPROC_DIR was set before
    Prometheus' client was imported.
    """

    def __init__(self) -> None:
        registry = CollectorRegistry()
        labels = ["endpoint", "status", "model", "version"]
        self._requests = Counter(
            "atelier_requests", "Requests by endpoint, HTTP status and model.", labels, registry=registry
        )
        self._seconds = Histogram(
            "atelier_request_duration_seconds", "Time to answer.", ["endpoint"], buckets=BUCKETS, registry=registry
        )
        self.queued = Histogram(
            "atelier_queue_duration_seconds",
            "Time that long predictions waited for a thread.",
            buckets=BUCKETS,
            registry=registry,
        )
        self._rows = Histogram("atelier_request_rows", "Rows of a request.", buckets=ROWS, registry=registry)
        self._batches = Histogram(
            "atelier_batch_rows",
            "Rows of requests that went through a network at once.",
            buckets=ROWS,
            registry=registry,
        )
        self._predictions = Counter("atelier_predictions", "Rows predicted.", ["model", "version"], registry=registry)
        self._classes = Counter(
            "atelier_predicted_classes", "Rows by predicted class.", ["model", "version", "label"], registry=registry
        )
        # Without a version: each would leave two series for every feature, for good.
        self._deviation = Counter(
            "atelier_input_deviation",
            "Standard deviations of the training set that inputs were above or below its mean, summed over the rows compared.",
            ["model", "feature", "direction"],
            registry=registry,
        )
        self._compared = Counter(
            "atelier_input_rows", "Rows compared with the training set.", ["model"], registry=registry
        )
        self.swaps = Counter(
            "atelier_model_swaps", "Times that a worker went on with another version.", registry=registry
        )
        self.evictions = Counter(
            "atelier_model_evictions", "Models that a worker let go for want of room.", registry=registry
        )
        self.refresh_failures = Counter(
            "atelier_pointer_refresh_failures", "Looks at current.json that gave no usable version.", registry=registry
        )
        self._happened: deque[Answered | Predicted | Batched] = deque()
        self._room = drift.MOST_VALUES
        self._flushing = Lock()

    def answered(self, endpoint: str, status: int, model: Model | None, seconds: float) -> None:
        """Note a request that has been answered."""
        self._happened.append(Answered(endpoint, status, model, seconds))

    def batched(self, rows: int) -> None:
        """Note that so many rows of requests went through a network at once."""
        self._happened.append(Batched(rows))

    def predicted(self, model: Model, rows: int, outputs: np.ndarray | None, inputs: np.ndarray) -> None:
        """Note rows that have been predicted; inputs are the model's first. What there is room for of them is compared later."""
        compared = None
        if self._room > 0 and model.training:
            compared = drift.sample(model.training, inputs, self._room)
            self._room -= compared.size  # a scrape's thread may give it back right now: then a little more is kept
        self._happened.append(Predicted(model, rows, outputs, compared))

    def flush(self) -> None:
        """Count what has happened, all of a kind at once. Any thread may: one for every scrape does."""
        with self._flushing:
            self._flush()

    def _flush(self) -> None:
        requests: Tally[tuple[str, ...]] = Tally()
        predictions: Tally[tuple[str, ...]] = Tally()
        classes: Tally[tuple[str, ...]] = Tally()
        seconds: defaultdict[str, list[float]] = defaultdict(list)
        rows: list[float] = []
        batched: list[float] = []
        inputs: defaultdict[Model, list[np.ndarray]] = defaultdict(list)
        self._room = drift.MOST_VALUES
        while self._happened:
            one = self._happened.popleft()
            if isinstance(one, Answered):
                model = (one.model.name, one.model.version) if one.model else ("", "")
                requests[one.endpoint, str(one.status), *model] += 1
                seconds[one.endpoint].append(one.seconds)
                continue
            if isinstance(one, Batched):
                batched.append(one.rows)
                continue
            name, version, labels = one.model.name, one.model.version, one.model.manifest.labels
            predictions[name, version] += one.rows
            rows.append(one.rows)
            if labels and one.outputs is not None:
                for chosen in one.outputs.argmax(axis=1).tolist():
                    classes[name, version, labels[chosen]] += 1
            if one.inputs is not None:
                inputs[one.model].append(one.inputs)
        for counter, tally in ((self._requests, requests), (self._predictions, predictions), (self._classes, classes)):
            for key, count in tally.items():
                counter.labels(*key).inc(count)
        for endpoint, amounts in seconds.items():
            _observe(self._seconds.labels(endpoint), BUCKETS, amounts)
        _observe(self._rows, ROWS, rows)
        _observe(self._batches, ROWS, batched)
        for served, arrays in inputs.items():
            self._compare(served, arrays)

    def _compare(self, model: Model, inputs: list[np.ndarray]) -> None:
        """Count how far these are from what the model was trained on."""
        assert model.training  # or they had not been kept
        self._compared.labels(model.name).inc(sum(map(len, inputs)))
        for direction, sums in zip(("above", "below"), drift.deviations(model.training, inputs), strict=True):
            for feature, amount in zip(model.training.features, sums.tolist(), strict=True):
                self._deviation.labels(model.name, feature, direction).inc(amount)


def _observe(histogram: Histogram, bounds: Sequence[float], amounts: Sequence[float]) -> None:
    """What histogram.observe() does for one amount, for many: a write for each bucket instead of two for each amount."""
    histogram._sum.inc(sum(amounts))
    for bucket, count in Tally(bisect_left(bounds, amount) for amount in amounts).items():
        histogram._buckets[bucket].inc(count)
