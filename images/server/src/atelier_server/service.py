"""What every route needs: the model of the moment, the workers, the counters, the limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from atelier_server.metrics import Metrics
from atelier_server.model import Model
from atelier_server.pointer import Follower
from atelier_server.problems import no_model
from atelier_server.workers import Workers


@dataclass(frozen=True)
class Service:
    """One served model name and everything around it. max_body is in bytes."""

    follower: Follower
    workers: Workers
    metrics: Metrics
    max_body: int

    @property
    def name(self) -> str:
        """The name that this server answers for, promoted or not."""
        return self.follower.name

    def model(self, **members: Any) -> Model:
        """The model to answer this request with, from its beginning to its end. Problem 503, with these members, if there is none."""
        reason = self.follower.reason  # read first: a model may come meanwhile, and takes the reason away
        if model := self.follower.model:
            return model
        raise no_model(reason, **members)
