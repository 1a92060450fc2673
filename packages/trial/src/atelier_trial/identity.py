"""Which trial this is: its canonical configuration, whose digest is the key."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from atelier_store.files import sha256_file
from atelier_store.records import BestBy, DataDescription, TrialConfig
from atelier_store.spec import ClassWeights, Spec, sha256_of

from atelier_trial import own_code, own_metrics
from atelier_trial.space import BUILT_IN, InvalidParams, canonicalise, needs_row_networks

RECIPE_VERSION = 1
"""Incremented whenever the same configuration would train to other weights."""


def trial_config(spec: Spec, data: DataDescription, params: dict[str, str]) -> TrialConfig:
    """The canonical configuration of suggested parameters. InvalidParams with every violation."""
    canonical = canonicalise(params, data.kind, data.task, spec.trainer.network)
    return TrialConfig(
        params=canonical,
        data_digest=data.digest,
        validation_fraction=spec.trainer.data.validation_fraction,
        folds=spec.trainer.data.folds,
        network_digest=network_digest(spec.trainer.network, canonical, of_table=data.columns is not None),
        recipe_version=RECIPE_VERSION,
        seed=spec.trainer.seed,
        class_weights=canonical_weights(spec.trainer.class_weights),
        keep_weights=_best_by(spec),
        loss_digest=spec.trainer.loss and own_code.digest("trainer.loss", spec.trainer.loss),
        metric_digests=own_metrics.digests(spec.trainer),
    )


def _best_by(spec: Spec) -> BestBy | None:
    """By what an epoch is the best, if a trial keeps its weights."""
    objective = spec.experiment.objective
    kept = BestBy(metric=objective.objective_metric_name, type=objective.type)
    return kept if spec.trainer.keep_weights == "best" else None


def canonical_weights(weights: ClassWeights) -> ClassWeights:
    """The weights without those that change nothing: equal ones share their trials."""
    if isinstance(weights, str):
        return weights
    return {label: weight for label, weight in weights.items() if weight != 1} or "none"


def tail_config(parent: TrialConfig, parent_epochs: int, tail_epochs: int) -> TrialConfig:
    """The configuration of a tail: the parent's first parent_epochs, then tail_epochs with a falling learning rate."""
    tail = {"parent": parent.key, "parent_epochs": parent_epochs, "tail_epochs": tail_epochs}
    return parent.model_copy(update=tail)


def network_digest(network: str, params: dict[str, Any], of_table: bool = False) -> str:
    """sha256 of what builds the network of canonical params; after any edit it is another network.

    Of the built-in networks, their source file, or files; of one's own, what `own_code.digest` covers. Of a table,
    the code of its columns counts.
    """
    digest = _own(params) if network == BUILT_IN else own_code.digest("trainer.network", network)
    return sha256_of({"network": digest, "columns": _source_digest("columns")}) if of_table else digest


def _own(params: dict[str, Any]) -> str:
    first = _source_digest("networks")
    if not needs_row_networks(params):
        return first
    files = {"networks": first, "row_networks": _source_digest("row_networks")}
    if params.get("scaling") == "linear":
        files |= {name: _source_digest(name) for name in ("columns", "linear_scaling")}
    if params.get("embedding") == "piecewise_auto":
        files["auto_bins"] = _source_digest("auto_bins")
    return sha256_of(files)


def _source_digest(module: str) -> str:
    """sha256 of a module of atelier-trainer, which this package does not import."""
    spec = importlib.util.find_spec(f"atelier_trainer.{module}")
    if spec is None or spec.origin is None:
        raise InvalidParams([f"trainer.network: {BUILT_IN}: atelier-trainer is not installed"])
    return sha256_file(Path(spec.origin))
