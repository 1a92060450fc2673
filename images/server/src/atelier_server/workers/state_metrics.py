"""Metrics of the moment of a scrape: the model of the worker that answers, and the processes of all workers."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from atelier_server.metrics.search import SearchMetrics
from atelier_server.models.follower import Follower
from atelier_server.workers.board import Board


def registry(follower: Follower, board: Board, search: SearchMetrics) -> CollectorRegistry:
    """Everything that /metrics shows: what all workers counted, and their state."""
    collectors = CollectorRegistry()
    MultiProcessCollector(collectors)  # type: ignore[no-untyped-call]  # the client does not annotate it
    for collector in (ModelState(follower), WorkerState(board), search):
        collectors.register(collector)
    return collectors


class ModelState(Collector):
    """The model that is served."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower

    def collect(self) -> Iterator[Metric]:
        model = self._follower.model
        yield GaugeMetricFamily("atelier_model_loaded", "1 if a model is served, else 0.", value=int(model is not None))
        if model is None:
            return
        provenance = model.manifest.provenance
        facts = {
            "model": model.name,
            "version": model.version,
            "experiment": provenance.experiment,
            "trial": provenance.trial,
            "key": provenance.key,
        }
        yield InfoMetricFamily("atelier_model", "The model that is served.", facts)
        loaded, took = self._follower.loaded_at, self._follower.load_seconds
        yield GaugeMetricFamily(
            "atelier_model_load_timestamp_seconds", "When the served version was loaded.", value=loaded
        )
        yield GaugeMetricFamily("atelier_model_load_seconds", "How long loading the served version took.", value=took)


class WorkerState(Collector):
    """Every worker's requests under way, and the process metrics of Prometheus' client, by worker."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def collect(self) -> Iterator[Metric]:
        under_way = GaugeMetricFamily("atelier_requests_in_flight", "Requests under way.", labels=["worker"])
        families: dict[str, Metric] = {}
        for worker, entry in self._board.entries().items():
            under_way.add_metric([str(worker)], entry.under_way)
            # the default of the parameter binds this worker's pid, which mypy cannot infer for a lambda
            process = ProcessCollector(pid=lambda pid=entry.pid: pid, registry=None)  # type: ignore[misc]
            for family in process.collect():
                kind = CounterMetricFamily if family.type == "counter" else GaugeMetricFamily
                labelled = families.setdefault(family.name, kind(family.name, family.documentation, labels=["worker"]))
                for sample in family.samples:
                    labelled.add_metric([str(worker)], sample.value)  # type: ignore[attr-defined]  # both kinds have it
        yield under_way
        yield from families.values()
