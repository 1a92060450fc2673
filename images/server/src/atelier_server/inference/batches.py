"""Rows of requests that come together go through the network together, where that is faster.

Nobody waits for others to come: while the event loop is busy with a batch, more requests arrive, and they are the next. Under light load
each is alone. Adaptive batching as in Clipper (Crankshaw et al. 2017), with no queue but the sockets.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from atelier_server.models.model import Model

Arrays = dict[str, np.ndarray]


class Waiting(NamedTuple):
    """A request: its arrays by input, with the same number of rows each, and the outputs to come."""

    inputs: Arrays
    rows: int
    outputs: asyncio.Future[Arrays]


class Batches:
    """Of one event loop. observed is told how many rows went through a network together."""

    def __init__(self, observed: Callable[[int], None]) -> None:
        self._observed = observed
        self._waiting: defaultdict[tuple[Model, tuple[str, ...]], list[Waiting]] = defaultdict(list)

    async def run(self, model: Model, inputs: Arrays, names: list[str]) -> Arrays:
        """The named outputs, as model.run gives them; with more than one row at once, the last bits may be others."""
        rows = len(next(iter(inputs.values())))
        if rows >= model.together:
            return model.run(inputs, names)
        loop = asyncio.get_running_loop()
        waiting = self._waiting[model, tuple(names)]
        if not waiting:
            loop.call_soon(self._run_all, model, names)  # after all that the loop has to do already
        waiting.append(Waiting(inputs, rows, loop.create_future()))
        return await waiting[-1].outputs

    def _run_all(self, model: Model, names: list[str]) -> None:
        for batch in _batches(self._waiting.pop((model, tuple(names))), model.together):
            self._observed(sum(one.rows for one in batch))
            try:
                _run(model, batch, names)
            except Exception:  # of one of them, perhaps: no other has to suffer from it
                for one in batch:
                    try:
                        _run(model, [one], names)
                    except Exception as error:
                        if not one.outputs.done():
                            one.outputs.set_exception(error)


def _batches(waiting: list[Waiting], most: int) -> Iterator[list[Waiting]]:
    """In the order of their coming, of at most so many rows; nobody waits for one whose client has gone."""
    batch: list[Waiting] = []
    for one in waiting:
        if one.outputs.cancelled():
            continue
        if batch and sum(other.rows for other in batch) + one.rows > most:
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch


def _run(model: Model, batch: list[Waiting], names: list[str]) -> None:
    if len(batch) == 1:
        batch[0].outputs.set_result(model.run(batch[0].inputs, names))
        return
    outputs = model.run({name: np.concatenate([one.inputs[name] for one in batch]) for name in batch[0].inputs}, names)
    end = 0
    for one in batch:
        start, end = end, end + one.rows
        one.outputs.set_result({name: array[start:end] for name, array in outputs.items()})
