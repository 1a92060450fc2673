"""Which trial this is: its canonical configuration, whose digest is the key."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from atelier_store.records import DataDescription, TrialConfig
from atelier_store.spec import Spec

from atelier_trial.space import BUILT_IN, InvalidParams, canonicalise

RECIPE_VERSION = 1
"""Incremented whenever the same configuration would train to other weights."""


def trial_config(spec: Spec, data: DataDescription, params: dict[str, str]) -> TrialConfig:
    """The canonical configuration of suggested parameters. InvalidParams with every violation."""
    return TrialConfig(
        params=canonicalise(params, data.kind, data.task, spec.trainer.network),
        data_digest=data.digest,
        validation_fraction=spec.trainer.data.validation_fraction,
        network_digest=network_digest(spec.trainer.network),
        recipe_version=RECIPE_VERSION,
        seed=spec.trainer.seed,
    )


def tail_config(parent: TrialConfig, parent_epochs: int, tail_epochs: int) -> TrialConfig:
    """The configuration of a tail: the parent's first parent_epochs, then tail_epochs with a falling learning rate."""
    tail = {"parent": parent.key, "parent_epochs": parent_epochs, "tail_epochs": tail_epochs}
    return parent.model_copy(update=tail)


def network_digest(network: str) -> str:
    """sha256 of the source file that builds the network; after any edit it is another network."""
    module = "atelier_trainer.networks" if network == BUILT_IN else network.partition(":")[0]
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise InvalidParams([f"trainer.network: module {module!r} not found"])
    return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()
