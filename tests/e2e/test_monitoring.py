"""A real Prometheus, run by the operator, finds the server through the ServiceMonitor and loads the alerts."""

from __future__ import annotations

from functools import partial
from typing import Any

import httpx
import pytest

from tests.e2e.cluster_access import MINUTES, ONE_SHORT_TRIAL, Namespace, Release, eventually, forwarded

MONITORING = Namespace("monitoring")
ON = (
    "monitoring.serviceMonitor.enabled=true",
    "monitoring.prometheusRule.enabled=true",
    "monitoring.dashboard.enabled=true",
)


@pytest.fixture(scope="module")
def prometheus(release: Release) -> Any:
    """A client of the cluster's Prometheus; the release is installed with everything that it wants to see."""
    release.upgrade("extractor.mode=none", *ON, values=ONE_SHORT_TRIAL, flags=("--wait", "--timeout=10m"))
    address = forwarded(MONITORING, "service/prometheus-operated", 9090)
    with address as port, httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=30) as client:
        yield client


def query(prometheus: httpx.Client, expression: str) -> list[dict[str, Any]]:
    answer = prometheus.get("/query", params={"query": expression}).raise_for_status().json()
    result: list[dict[str, Any]] = answer["data"]["result"]
    return result


def test_the_server_is_a_target_that_is_up(prometheus: httpx.Client, namespace: Namespace) -> None:
    up = f'up{{namespace="{namespace.name}", job="digits-atelier-server"}} == 1'
    eventually(lambda: query(prometheus, up), 3 * MINUTES, "a target that is up", every=1)


def test_its_series_are_there_under_their_own_names(
    prometheus: httpx.Client, namespace: Namespace, release: Release
) -> None:
    with release.client() as client:
        client.get("/v2/health/ready")
    here = f'{{namespace="{namespace.name}"}}'
    for name in ("atelier_model_loaded", "atelier_requests_total", "process_resident_memory_bytes"):
        assert eventually(partial(query, prometheus, name + here), 2 * MINUTES, name, every=1)
    assert all("endpoint" in one["metric"] for one in query(prometheus, "atelier_requests_total" + here))


def test_the_alerts_are_loaded(prometheus: httpx.Client, namespace: Namespace) -> None:
    def loaded() -> set[str]:
        groups = prometheus.get("/rules").raise_for_status().json()["data"]["groups"]
        return {rule["name"] for group in groups for rule in group["rules"] if namespace.name in rule["query"]}

    names = eventually(loaded, 3 * MINUTES, "rules", every=1)
    assert {"AtelierServerDown", "AtelierNoModel", "AtelierSearchStalled"} <= names
