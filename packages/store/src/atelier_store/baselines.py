"""What a search has to beat: simple models, trained once for each data set and split, and kept in the store.

They are only scores: no model is kept, so none can be promoted.
"""

from __future__ import annotations

from pathlib import Path

from atelier_store.layout import Store
from atelier_store.records import Baselines, BaselineScore
from atelier_store.spec import Spec, sha256_of

RECIPE_VERSION = 1
"""Incremented whenever a baseline would be trained otherwise."""


def path(store: Store, spec: Spec, data_digest: str) -> Path:
    """The file of the baselines of these data with the spec's split: what they train on and are scored with."""
    trainer = spec.trainer
    split = {
        "recipe_version": RECIPE_VERSION,
        "data_digest": data_digest,
        "validation_fraction": trainer.data.validation_fraction,
        "seed": trainer.seed,
        "class_weights": trainer.class_weights,
    } | ({} if trainer.data.folds is None else {"folds": trainer.data.folds})
    return store.baselines / f"{sha256_of(split)[:16]}.json"


def scores(store: Store, spec: Spec, data_digest: str) -> tuple[BaselineScore, ...]:
    """The stored baselines by the spec's objective, best first; none if they are not trained, or have no such score."""
    stored = Baselines.read_if_whole(path(store, spec, data_digest))
    objective = spec.experiment.objective
    metric = objective.objective_metric_name
    found = [
        BaselineScore(name=baseline.name, metric=baseline.metrics[metric])
        for baseline in (stored.baselines if stored else ())
        if metric in baseline.metrics
    ]
    return tuple(sorted(found, key=lambda score: objective.rank_key(score.metric)))
