"""Rows of requests that arrive together go through the network together, where that is faster.

No request waits for others to arrive: while the event loop is busy with a batch, more requests come in, and they form
the next one. Under light load each is alone. Adaptive batching as in Clipper (Crankshaw et al. 2017), with no queue but
the sockets.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from atelier_server.codecs.inference import Arrays
from atelier_server.models.model import Model


class Waiting(NamedTuple):
    """A request: its arrays by input, with the same number of rows each, and the future of its outputs."""

    inputs: Arrays
    rows: int
    outputs: asyncio.Future[Arrays]


class Batches:
    """The batches of one event loop. on_batch is called with the number of rows of each."""

    def __init__(self, on_batch: Callable[[int], None]) -> None:
        self._on_batch = on_batch
        self._waiting: defaultdict[tuple[Model, tuple[str, ...]], list[Waiting]] = defaultdict(list)

    async def run(self, model: Model, inputs: Arrays, names: list[str]) -> Arrays:
        """The named outputs, as from model.run; the last bits may differ with the number of rows in a batch."""
        rows = len(next(iter(inputs.values())))
        if rows >= model.together:
            return model.run(inputs, names)
        loop = asyncio.get_running_loop()
        waiting = self._waiting[model, tuple(names)]
        if not waiting:
            loop.call_soon(self._run_all, model, names)  # after everything that the loop has to do already
        waiting.append(Waiting(inputs, rows, loop.create_future()))
        return await waiting[-1].outputs

    def _run_all(self, model: Model, names: list[str]) -> None:
        for batch in _batches(self._waiting.pop((model, tuple(names))), model.together):
            self._on_batch(sum(request.rows for request in batch))
            try:
                _run(model, batch, names)
            except Exception:  # perhaps because of one request only: the others need not fail with it
                for request in batch:
                    try:
                        _run(model, [request], names)
                    except Exception as error:
                        if not request.outputs.done():
                            request.outputs.set_exception(error)


def _batches(waiting: list[Waiting], most: int) -> Iterator[list[Waiting]]:
    """In the order of arrival, of at most so many rows; requests whose client is gone are left out."""
    batch: list[Waiting] = []
    for request in waiting:
        if request.outputs.cancelled():
            continue
        if batch and sum(other.rows for other in batch) + request.rows > most:
            yield batch
            batch = []
        batch.append(request)
    if batch:
        yield batch


def _run(model: Model, batch: list[Waiting], names: list[str]) -> None:
    if len(batch) == 1:
        batch[0].outputs.set_result(model.run(batch[0].inputs, names))
        return
    inputs = {name: np.concatenate([request.inputs[name] for request in batch]) for name in batch[0].inputs}
    outputs = model.run(inputs, names)
    end = 0
    for request in batch:
        start, end = end, end + request.rows
        request.outputs.set_result({name: array[start:end] for name, array in outputs.items()})
