"""Which work the event loop does itself, and which it gives to a thread."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Never

import numpy as np
import pytest
from atelier_server.codecs.inference import Arrays, Inference
from atelier_server.inference.batches import Batches
from atelier_server.inference.service import Service
from atelier_server.inference.threads import Threads
from atelier_server.metrics.counters import Metrics
from atelier_server.models.catalogue import Catalogue
from atelier_server.models.follower import Follower
from atelier_server.models.model import Model, load
from atelier_server.models.runtime import SHORT
from atelier_store.layout import Store

from tests.support.onnx_bundles import image_bundle, publish

LONG = 2 * SHORT
PICTURES = image_bundle().inputs[:2]


@pytest.fixture
def model(store: Store) -> Model:
    return load(store.model("digits"), publish(store, image_bundle()))


@pytest.fixture
def service(store: Store) -> Iterator[Service]:
    metrics = Metrics()
    threads = Threads(1, max_requests=2, deadline=30, on_wait=metrics.queued.observe)
    follower = Follower(store.model("digits"), 1.0, 1, on_swap=metrics.swaps.inc, on_refusal=metrics.swaps.inc)
    catalogue = Catalogue(store, follower, room=0, every=1.0, threads=1, on_eviction=metrics.evictions.inc)
    yield Service(follower, catalogue, threads, Batches(metrics.batched), metrics, list, 2**20, 30)
    threads.stop()


def asked() -> Inference:
    return Inference(None, {"input": PICTURES}, {"probabilities": False})


def fails(*_: object) -> Never:
    raise ZeroDivisionError


def thread_and_answer(_: Inference, outputs: Arrays) -> tuple[int, np.ndarray]:
    return threading.get_ident(), outputs["probabilities"]


def test_short_work_is_done_at_once_and_long_work_by_a_thread_with_the_same_answer(
    service: Service, model: Model
) -> None:
    here, short = asyncio.run(service.predict(model, SHORT, asked, thread_and_answer))
    there, long = asyncio.run(service.predict(model, LONG, asked, thread_and_answer))
    assert here == threading.get_ident() != there
    np.testing.assert_array_equal(short, long)


@pytest.mark.parametrize("seconds", [SHORT, LONG])
def test_what_is_raised_reaches_the_request(service: Service, model: Model, seconds: float) -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(service.predict(model, seconds, fails, thread_and_answer))
    with pytest.raises(ZeroDivisionError):
        asyncio.run(service.predict(model, seconds, asked, fails))
