"""What is counted in bulk is what Prometheus' client would count one by one; that uses private parts of the client."""

from collections.abc import Sequence

from atelier_server.metrics.counters import BUCKETS, ROWS, Metrics, _observe
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.samples import Sample

AMOUNTS = [0.0004, 0.001, 0.0011, 0.3, 0.3, 10.0, 11.0]


def test_many_amounts_at_once_come_to_what_one_after_the_other_does() -> None:
    texts = []
    for at_once in (True, False):
        registry = CollectorRegistry()
        histogram = Histogram("seconds", "Time.", ["endpoint"], buckets=BUCKETS, registry=registry).labels("a")
        if at_once:
            _observe(histogram, BUCKETS, AMOUNTS)
        else:
            for amount in AMOUNTS:
                histogram.observe(amount)
        texts.append([line for line in generate_latest(registry).decode().splitlines() if "_created" not in line])
    assert texts[0] == texts[1]
    assert 'seconds_bucket{endpoint="a",le="+Inf"} 7.0' in texts[0]


def samples_of(metric: Counter | Histogram) -> Sequence[Sample]:
    (only,) = metric.collect()
    return only.samples


def test_what_was_recorded_is_counted_once() -> None:
    metrics = Metrics()
    for rows in (1, 3, 5000):
        metrics.batched(rows)
    for _ in range(2):
        metrics.flush()
    samples = {s.labels.get("le"): s.value for s in samples_of(metrics._batches) if s.name.endswith("bucket")}
    assert samples["1.0"] == 1 and samples["4.0"] == 2 and samples["4096.0"] == 2 and samples["+Inf"] == 3
    assert len(samples) == len(ROWS) + 1


def test_there_is_no_series_of_creation_times() -> None:
    metrics = Metrics()
    metrics.swaps.inc()
    assert [sample.name for sample in samples_of(metrics.swaps)] == ["atelier_model_swaps_total"]
