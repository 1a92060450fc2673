"""What can be known of a network without training it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from atelier_store.layout import Store
from atelier_store.records import Candidate, DataDescription
from atelier_store.spec import Proxy, Spec, canonical_json
from atelier_trial import data, own_code, space

from atelier_trainer import model, proxies
from atelier_trainer.columns import Columns
from atelier_trainer.cost import Cost, cost_of
from atelier_trainer.setup import outputs_of

EXAMPLES = 32
"""Examples that a score of an untrained network is made with."""

MOST_ROWS = 1000
"""Training rows whose statistics standardise those examples."""


class Appraiser:
    """Appraises the networks of a search by their params, as suggested. One built by equal parameters is built once."""

    def __init__(self, spec: Spec, store: Store, description: DataDescription) -> None:
        self._spec, self._description = spec, description
        trainer = spec.trainer
        arrays, of = data.load(store, description), trainer.data
        training = data.parts(arrays, description, of.validation_fraction, of.folds, trainer.seed).training
        x, y = arrays.train_x, arrays.train_y
        self._outputs = outputs_of(description, y)
        self._rows = x[training] if description.kind == "rows" else x[[]]
        self._first_rows, self._first_targets = x[training[:MOST_ROWS]], y[training[:MOST_ROWS]]
        self._columns: dict[str, Columns | None] = {}
        self._costs: dict[str, Cost | None] = {}

    def cost(self, params: dict[str, str]) -> Cost | None:
        """Parameters and multiply-adds; None if the network cannot be built, which its trial will then say."""
        architecture = self.architecture(params)
        key = canonical_json(architecture)
        if key not in self._costs:
            self._costs[key] = self._cost(architecture)
        return self._costs[key]

    def refusal(self, params: dict[str, str]) -> str | None:
        """Why the network has too many parameters or multiply-adds, as one line; None if it has not, or may not."""
        cost = self.cost(params)
        return "; ".join(cost.over(self._spec.trainer.budget)) or None if cost is not None else None

    def operations(self, params: dict[str, str]) -> dict[str, float] | None:
        """What the network computes, by kind, where the search asks for latency; None if it cannot be built."""
        cost = self.cost(params)
        return cost.operations if cost is not None else None

    def architecture(self, params: dict[str, str]) -> dict[str, Any]:
        """The parameters that build the network, in the form that equal networks share."""
        return space.architecture(params, self._description.kind, self._description.task, self._spec.trainer.network)

    def candidate(self, params: dict[str, str], by: tuple[Proxy, ...]) -> Candidate | None:
        """The network's scores before it is trained; None if it is over the budget. Equal arguments give equal ones."""
        if self.refusal(params) is not None:
            return None
        scores: dict[Proxy, float] = {}
        unscored: dict[Proxy, str] = {}
        for proxy in by:
            try:
                scores[proxy] = self._score(proxy, params)
            except (Exception, SystemExit) as error:  # whatever a user's network raises
                unscored[proxy] = own_code.reason(error)
        cost = self.cost(params)
        return Candidate(params=params, scores=scores, unscored=unscored, macs=cost and cost.macs)

    def _score(self, proxy: Proxy, params: dict[str, str]) -> float:
        if proxy in ("params", "macs"):
            cost = self.cost(params)
            if cost is None:
                raise ValueError("it cannot be built")
            return cost.params if proxy == "params" else cost.macs
        torch.manual_seed(self._spec.trainer.seed)
        built = self.build(self.architecture(params), standard=self._standard())
        examples = torch.from_numpy(self._first_rows[:EXAMPLES])
        return proxies.synflow(built, examples) if proxy == "synflow" else proxies.naswot(built, examples)

    @lru_cache(maxsize=1)  # noqa: B019  # the only appraiser of its process
    def _standard(self) -> dict[str, torch.Tensor] | None:
        """The statistics of the inputs; None for a table, whose columns scale themselves."""
        if self._description.columns is not None:
            return None
        inputs = data.input_statistics(self._first_rows, self._description.kind)
        return model.statistics(inputs, self._first_targets, self._description.task)

    def _cost(self, architecture: dict[str, Any]) -> Cost | None:
        """On the meta device, which has no memory and computes nothing; what does not run there is built for real."""
        for device in ("meta", "cpu"):
            with suppress(Exception):  # whatever a user's network raises
                built = self.build(architecture, device)
                return cost_of(built, self._description, has_operations=self._spec.asks_for_latency)
        return None

    def _columns_on(self, device: str) -> Columns | None:
        """The columns of a table, which are the same for every network; the caller has chosen the device."""
        if device not in self._columns:
            columns = self._description.columns
            self._columns[device] = None if columns is None else Columns(columns, self._rows)
        return self._columns[device]

    def build(
        self, architecture: dict[str, Any], device: str = "cpu", standard: dict[str, torch.Tensor] | None = None
    ) -> model.Model:
        """The untrained network, for standardised inputs unless standard is given. Raises as a user's network does."""
        with torch.device(device):
            zero, one = torch.zeros(1), torch.ones(1)
            standard = standard or {"mean": zero, "scale": one, "target_mean": zero, "target_scale": one}
            description = self._description
            columns = self._columns_on(device)
            network, rows = self._spec.trainer.network, torch.from_numpy(self._rows)
            shape, kind = description.shape, description.kind
            return model.build(network, architecture, kind, standard, shape, self._outputs, rows, columns)


def serve(connection: Connection, spec: Spec, store: Store, description: DataDescription, messages: str) -> None:
    """Answer questions, the name of a method and its arguments, in a process of its own until the other end closes.

    What a network of one's own prints goes to the file messages.
    """
    descriptor = os.open(messages, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)  # a network of one's own may print
    os.dup2(descriptor, 2)
    os.close(descriptor)
    sys.path.append(str(Path.cwd()))  # where a network of one's own is
    torch.set_num_threads(1)
    appraiser = Appraiser(spec, store, description)
    answers: dict[str, Callable[..., Any]] = {
        "refusal": appraiser.refusal,
        "operations": appraiser.operations,
        "candidate": appraiser.candidate,
    }
    while True:
        try:
            name, *arguments = connection.recv()
        except EOFError:
            return
        connection.send(answers[name](*arguments))
