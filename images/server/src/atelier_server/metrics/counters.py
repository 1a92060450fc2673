"""What every worker counts.

Prometheus' client keeps it in files that all workers share, so that any of them can report the sum.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter as Tally
from collections import defaultdict, deque
from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

import numpy as np
from atelier_store import thresholds
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from atelier_server.models import drift
from atelier_server.models.drift import Arrays
from atelier_server.models.model import Model

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)


class Answered(NamedTuple):
    """One answered request: the template of its path, its status, its model, and the seconds that it took."""

    endpoint: str
    status: int
    model: Model | None
    seconds: float


class Predicted(NamedTuple):
    """Predicted rows, the model's first output for them if it was requested, and the inputs to compare."""

    model: Model
    rows: int
    outputs: np.ndarray | None
    inputs: Arrays | None


class Batched(NamedTuple):
    """Rows of one or more requests that went through a network at once."""

    rows: int


class Metrics:
    """Seconds throughout, as Prometheus wants it; names begin with atelier_.

    What happens a thousand times a second is only recorded; flush() counts it. Shared between processes only if
    PROMETHEUS_MULTIPROC_DIR was set before Prometheus' client was imported.
    """

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second, unused series for every one
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
            "Standard deviations of the training set that inputs were above or below its mean, "
            "summed over the rows compared.",
            ["model", "feature", "direction"],
            registry=registry,
        )
        self._values = Counter(
            "atelier_input_values",
            "Rows compared by the value of a table's column: a level, <other>, <unseen>, <missing> or <given>.",
            ["model", "feature", "value"],
            registry=registry,
        )
        self._expected = Counter(
            "atelier_input_expected_values",
            "Rows compared that would have had that value if they were like the training set.",
            ["model", "feature", "value"],
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
        self._events: deque[Answered | Predicted | Batched] = deque()
        self._room = drift.MOST_VALUES
        self._flushing = Lock()

    def answered(self, endpoint: str, status: int, model: Model | None, seconds: float) -> None:
        """Record an answered request."""
        self._events.append(Answered(endpoint, status, model, seconds))

    def batched(self, rows: int) -> None:
        """Record that so many rows of requests went through a network at once."""
        self._events.append(Batched(rows))

    def predicted(self, model: Model, inputs: Arrays, outputs: np.ndarray | None) -> None:
        """Record predicted rows; inputs are compared later, as far as there is room."""
        compared, rows = None, len(inputs[model.input.name])
        if self._room > 0 and model.training:
            compared = model.training.sample(inputs, self._room)
            for array in compared.values():
                self._room -= array.size  # not atomic with flush() in a scrape's thread: then a little more is kept
        self._events.append(Predicted(model, rows, outputs, compared))

    def flush(self) -> None:
        """Count what was recorded, all of a kind at once. Any thread may call it; that of every scrape does."""
        with self._flushing:
            self._flush()

    def _flush(self) -> None:
        requests: Tally[tuple[str, ...]] = Tally()
        predictions: Tally[tuple[str, ...]] = Tally()
        classes: Tally[tuple[str, ...]] = Tally()
        seconds: defaultdict[str, list[float]] = defaultdict(list)
        rows: list[float] = []
        batched: list[float] = []
        inputs: defaultdict[Model, list[Arrays]] = defaultdict(list)
        self._room = drift.MOST_VALUES
        while self._events:
            event = self._events.popleft()
            if isinstance(event, Answered):
                model = (event.model.name, event.model.version) if event.model else ("", "")
                requests[event.endpoint, str(event.status), *model] += 1
                seconds[event.endpoint].append(event.seconds)
                continue
            if isinstance(event, Batched):
                batched.append(event.rows)
                continue
            name, version, labels = event.model.name, event.model.version, event.model.manifest.labels
            predictions[name, version] += event.rows
            rows.append(event.rows)
            if labels and event.outputs is not None:
                for chosen in _chosen(event.model, event.outputs):
                    classes[name, version, labels[chosen]] += 1
            if event.inputs is not None:
                inputs[event.model].append(event.inputs)
        for counter, tally in ((self._requests, requests), (self._predictions, predictions), (self._classes, classes)):
            for key, count in tally.items():
                counter.labels(*key).inc(count)
        for endpoint, amounts in seconds.items():
            _observe(self._seconds.labels(endpoint), BUCKETS, amounts)
        _observe(self._rows, ROWS, rows)
        _observe(self._batches, ROWS, batched)
        for served, arrays in inputs.items():
            self._compare(served, arrays)

    def _compare(self, model: Model, inputs: list[Arrays]) -> None:
        """Count how far these are from what the model was trained on."""
        assert model.training  # otherwise predicted() keeps no inputs
        found = model.training.compare(inputs)
        self._compared.labels(model.name).inc(found.rows)
        for counter, sums in (
            (self._deviation, found.deviations),
            (self._values, found.values),
            (self._expected, found.expected),
        ):
            for labels, amount in sums.items():
                counter.labels(model.name, *labels).inc(amount)


def _chosen(model: Model, outputs: np.ndarray) -> list[int]:
    """The numbers of the labels that the rows are given, one for each row or any number."""
    limits = model.manifest.thresholds
    if model.manifest.task == "multilabel":
        chosen = np.nonzero(thresholds.labels(outputs, limits))[1]
    else:
        chosen = thresholds.classes(outputs, limits)
    numbers: list[int] = chosen.tolist()
    return numbers


def _observe(histogram: Histogram, bounds: Sequence[float], amounts: Sequence[float]) -> None:
    """Do histogram.observe() for many amounts: one write for each bucket instead of two for each amount.

    Uses private attributes of Prometheus' client, which has no public way; pyproject.toml therefore bounds its version.
    """
    histogram._sum.inc(sum(amounts))
    for bucket, count in Tally(bisect_left(bounds, amount) for amount in amounts).items():
        histogram._buckets[bucket].inc(count)
