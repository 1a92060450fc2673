"""What every route needs: the models, the threads, the counters, the limits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.types import Scope

from atelier_server.codecs.v2 import Inference
from atelier_server.inference.batches import Arrays, Batches
from atelier_server.inference.threads import SHORT, Threads
from atelier_server.metrics.counters import Metrics
from atelier_server.models.catalogue import Catalogue
from atelier_server.models.model import Model

MODEL = "atelier.model"
"""Where a request's scope has its model, for the counters."""


T = TypeVar("T")


@dataclass(frozen=True)
class Service:
    """One worker's parts. max_body is in bytes, deadline in seconds; hung gives the numbers of the workers that do not answer any more."""

    catalogue: Catalogue
    threads: Threads
    batches: Batches
    metrics: Metrics
    hung: Callable[[], Iterable[int]]
    max_body: int
    deadline: float

    def served(self, scope: Scope, **members: Any) -> Model:
        """What the server was started for, to answer this request with, from its beginning to its end.

        Problem 503, with these members, if nothing is promoted.
        """
        scope[MODEL] = found = self.catalogue.served(**members)
        return found

    async def model(self, scope: Scope, name: str, version: str | None) -> Model:
        """The model of this name and version, likewise. Problem 404 if it is not there, 503 if it cannot be served."""
        if name == self.catalogue.name and version is None:
            return self.served(scope, name=name, ready=False)
        found = self.catalogue.at_hand(name, version)
        if found is None:
            found = await self.threads.load(lambda: self.catalogue.fetch(name, version))
        scope[MODEL] = found
        return found

    async def predict(
        self, model: Model, seconds: float, decode: Callable[[], Inference], encode: Callable[[Inference, Arrays], T]
    ) -> T:
        """What encode makes of a request and the model's outputs for it.

        seconds is how long all of it takes, about. What is short is done at once on the event loop, with others that have come.
        """

        def alone() -> tuple[Inference, Arrays, T]:
            asked = decode()
            outputs = model.run(asked.inputs, list(asked.outputs))
            return asked, outputs, encode(asked, outputs)

        if seconds > SHORT:
            asked, outputs, answer = await self.threads.predict(alone)
        else:
            asked = decode()
            outputs = await self.batches.run(model, asked.inputs, list(asked.outputs))
            answer = encode(asked, outputs)
        rows = asked.inputs[model.input.name]
        self.metrics.predicted(model, len(rows), outputs.get(model.output.name), rows)
        return answer
