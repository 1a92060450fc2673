"""What can be known of a network without training it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from atelier_store.layout import Store
from atelier_store.records import DataDescription
from atelier_store.spec import Spec, canonical_json
from atelier_trial import data
from atelier_trial.space import canonicalise, training_domains

from atelier_trainer import model
from atelier_trainer.columns import Columns
from atelier_trainer.cost import Cost, cost_of
from atelier_trainer.setup import outputs_of


class Appraiser:
    """Appraises the networks of a search by their params, as suggested. One built by equal parameters is built once."""

    def __init__(self, spec: Spec, store: Store, description: DataDescription) -> None:
        self._spec, self._description = spec, description
        trainer = spec.trainer
        arrays, of = data.load(store, description), trainer.data
        training = data.parts(arrays, description, of.validation_fraction, of.folds, trainer.seed).training
        self._outputs = outputs_of(description, arrays.train_y)
        self._rows = arrays.train_x[training] if description.kind == "rows" else arrays.train_x[[]]
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

    def architecture(self, params: dict[str, str]) -> dict[str, Any]:
        """The parameters that build the network, in the form that equal networks share."""
        kind, task = self._description.kind, self._description.task
        canonical = canonicalise(params, kind, task, self._spec.trainer.network)
        training = training_domains(kind, task)
        return {name: value for name, value in canonical.items() if name not in training}

    def _cost(self, architecture: dict[str, Any]) -> Cost | None:
        """On the meta device, which has no memory and computes nothing; what does not run there is built for real."""
        for device in ("meta", "cpu"):
            with suppress(Exception):  # whatever a user's network raises
                return cost_of(self.build(architecture, device), self._description)
        return None

    def _columns_on(self, device: str) -> Columns | None:
        """The columns of a table, which are the same for every network; the caller has chosen the device."""
        if device not in self._columns:
            columns = self._description.columns
            self._columns[device] = None if columns is None else Columns(columns, self._rows)
        return self._columns[device]

    def build(self, architecture: dict[str, Any], device: str = "cpu") -> model.Model:
        """The untrained network, for inputs that are standardised already. Raises whatever a user's network raises."""
        with torch.device(device):
            zero, one = torch.zeros(1), torch.ones(1)
            standard = {"mean": zero, "scale": one, "target_mean": zero, "target_scale": one}
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
    answers: dict[str, Callable[..., Any]] = {"refusal": appraiser.refusal}
    while True:
        try:
            name, *arguments = connection.recv()
        except EOFError:
            return
        connection.send(answers[name](*arguments))
