"""Rows of requests that arrive together go through the network together, where that is faster, and harm no other."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from atelier_server.codecs.inference import Arrays
from atelier_server.inference.batches import Batches
from atelier_server.models import model as models
from atelier_server.models.model import Model, load
from atelier_store.layout import Store

from tests.support.onnx_bundles import image_bundle, publish


class Recorded(Model):
    """A model that keeps how many rows it was run with, and fails for pictures that are black."""

    def run(self, inputs: Arrays, outputs: list[str] | None = None) -> Arrays:
        calls.append(len(inputs["input"]))
        if not inputs["input"].reshape(len(inputs["input"]), -1).any(axis=1).all():
            raise ZeroDivisionError
        return super().run(inputs, outputs)


calls: list[int] = []
NAMES = ["probabilities"]


@pytest.fixture
def model(store: Store) -> Recorded:
    """With four rows together, however long they take."""
    calls.clear()
    loaded = load(store.model("digits"), publish(store, image_bundle()))
    return Recorded(**{**loaded.__dict__, "together": 4})


def pictures(*numbers: int) -> Arrays:
    """Some of the reference pictures."""
    return {"input": image_bundle().inputs[list(numbers)]}


def together(*requests: tuple[Model, Arrays], observed: list[int] | None = None) -> list[Arrays | BaseException]:
    """The outputs for requests that have all come before any is answered."""

    async def all_of_them() -> list[Arrays | BaseException]:
        batches = Batches((observed if observed is not None else []).append)
        return await asyncio.gather(*(batches.run(*request, NAMES) for request in requests), return_exceptions=True)

    return asyncio.run(all_of_them())


def check(model: Model, answers: list[Arrays | BaseException], requests: list[Arrays]) -> None:
    """Each must have what the network says of its own rows."""
    for answer, inputs in zip(answers, requests, strict=True):
        assert isinstance(answer, dict) and list(answer) == NAMES
        np.testing.assert_allclose(answer["probabilities"], model.run(inputs, NAMES)["probabilities"], rtol=1e-5)


def test_requests_that_come_together_go_through_the_network_together_and_each_gets_its_own(model: Recorded) -> None:
    requests = [pictures(number) for number in range(6)]
    observed: list[int] = []
    answers = together(*((model, inputs) for inputs in requests), observed=observed)
    assert calls == observed == [4, 2]
    check(model, answers, requests)


def test_no_more_rows_go_together_than_is_faster_and_no_request_is_split(model: Recorded) -> None:
    requests = [pictures(0), pictures(1, 2, 3), pictures(4, 5), pictures(6, 7, 8), pictures(*range(9))]
    answers = together(*((model, inputs) for inputs in requests))
    assert sorted(calls) == [2, 3, 4, 9]
    check(model, answers, requests)


def test_one_request_after_the_other_waits_for_no_third(model: Recorded) -> None:
    async def scenario() -> None:
        batches = Batches(list[int]().append)
        for number in range(3):
            await batches.run(model, pictures(number), NAMES)

    asyncio.run(scenario())
    assert calls == [1, 1, 1]


def test_versions_are_not_mixed(model: Recorded, store: Store) -> None:
    other = replace(load(store.model("digits"), publish(store, image_bundle(1))), together=4)
    first, second = together((model, pictures(0)), (other, pictures(0)))
    check(model, [first], [pictures(0)])
    check(other, [second], [pictures(0)])
    assert (
        isinstance(first, dict)
        and isinstance(second, dict)
        and not np.allclose(first["probabilities"], second["probabilities"])
    )


def test_a_request_that_fails_takes_no_other_with_it(model: Recorded) -> None:
    black = {"input": np.zeros_like(pictures(0)["input"])}
    first, failed, last = together((model, pictures(0)), (model, black), (model, pictures(1)))
    assert isinstance(failed, ZeroDivisionError)
    check(model, [first, last], [pictures(0), pictures(1)])


def test_nobody_calculates_for_a_client_that_has_gone(model: Recorded) -> None:
    async def scenario() -> Arrays:
        batches = Batches(list[int]().append)
        gone, stays = (asyncio.ensure_future(batches.run(model, pictures(number), NAMES)) for number in range(2))
        while not batches._waiting:
            await asyncio.sleep(0)
        gone.cancel()
        return await stays

    answer = asyncio.run(scenario())
    assert calls == [1]
    check(model, [answer], [pictures(1)])


@pytest.mark.parametrize(
    ("seconds", "best"),
    [
        ({1: 40e-6}, 1),  # so short that nothing could be gained
        ({1: 400e-6, 2: 800e-6, 4: 1600e-6, 8: 3200e-6}, 1),  # at once takes as long as one after the other
        ({1: 400e-6, 2: 720e-6, 4: 1440e-6, 8: 2880e-6}, 1),  # faster, but by less than it costs
        ({1: 400e-6, 2: 600e-6, 4: 800e-6, 8: 2000e-6}, 4),
        ({1: 400e-6, 2: 600e-6, 4: 1000e-6, 8: 1600e-6}, 8),
        ({1: 1500e-6, 2: 1600e-6}, 2),  # more would hold the event loop for long
        ({1: 3000e-6}, 1),  # a thread does it
    ],
)
def test_rows_go_together_only_where_that_is_faster(
    store: Store, monkeypatch: pytest.MonkeyPatch, seconds: dict[int, float], best: int
) -> None:
    timed = models._timed
    monkeypatch.setattr(
        models,
        "_timed",
        lambda session, manifest, rows: (seconds[len(rows["input"])], timed(session, manifest, rows)[1]),
    )
    assert load(store.model("digits"), publish(store, image_bundle())).together == best
