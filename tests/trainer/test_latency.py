"""A latency is that of a network which little else slows."""

from __future__ import annotations

import pytest
from atelier_store.records import Manifest
from atelier_trainer.export import latency_of

from tests.support.workplace import NETWORK, Workplace, profile


def test_the_round_that_was_disturbed_least_decides() -> None:
    quiet, busy, torn = [1.0, 1.1, 1.2], [1.4, 1.5, 1.6], [0.9, 3.0, 9.0]
    assert latency_of([busy, quiet, torn]).p50_ms == 1.1
    assert latency_of([busy, busy, busy]).p50_ms == 1.5
    assert latency_of([quiet, torn]).p95_ms > 3.0, "what others did is in the 95th percentile"


def test_one_slow_run_in_each_round_counts_for_nothing() -> None:
    assert latency_of([[1.0, 1.0, 50.0]] * 3).p50_ms == 1.0


@pytest.mark.process
def test_card_and_bundle_have_one_latency(work: Workplace) -> None:
    assert work.run(profile(1, budget={"latencyMs": 1000}), *NETWORK).code == 0
    card, manifest = work.card, Manifest.read(work.trial.bundle.manifest)
    assert card.latency == manifest.latency and 0 < manifest.latency.p50_ms <= manifest.latency.p95_ms
