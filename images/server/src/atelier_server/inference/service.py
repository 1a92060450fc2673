"""What every route needs: the models, the threads, the counters, the limits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from atelier_server.codecs.inference import Arrays, Inference
from atelier_server.inference.batches import Batches
from atelier_server.inference.threads import Threads
from atelier_server.metrics.counters import Metrics
from atelier_server.models.catalogue import Catalogue
from atelier_server.models.follower import Follower
from atelier_server.models.model import Model
from atelier_server.models.runtime import SHORT

T = TypeVar("T")


@dataclass(frozen=True)
class Service:
    """One worker's parts. max_body is in bytes, deadline in seconds; hung returns the numbers of hung workers."""

    follower: Follower
    catalogue: Catalogue
    threads: Threads
    batches: Batches
    metrics: Metrics
    hung: Callable[[], Iterable[int]]
    max_body: int
    deadline: float

    async def model(self, name: str, version: str | None) -> Model:
        """The model of this name and version. Raises what Catalogue.fetch() does, and TooLate."""
        if name == self.follower.name and version is None:
            return self.follower.served()
        if kept := self.catalogue.at_hand(name, version):
            return kept
        return await self.threads.load(lambda: self.catalogue.fetch(name, version))

    async def predict(
        self, model: Model, seconds: float, decode: Callable[[], Inference], encode: Callable[[Inference, Arrays], T]
    ) -> T:
        """Decode a request, run the model, and encode its outputs.

        seconds is approximately how long all of it takes. Short work is done at once on the event loop, in a batch with
        other requests that have arrived; long work in a thread.
        """

        def alone() -> tuple[Inference, Arrays, T]:
            inference = decode()
            outputs = model.run(inference.inputs, list(inference.outputs))
            return inference, outputs, encode(inference, outputs)

        if seconds > SHORT:
            inference, outputs, answer = await self.threads.predict(alone)
        else:
            inference = decode()
            outputs = await self.batches.run(model, inference.inputs, list(inference.outputs))
            answer = encode(inference, outputs)
        self.metrics.predicted(model, inference.inputs, outputs.get(model.output.name))
        return answer
