"""Early stopping in pods: a paused trial counts as succeeded in Katib, and the best by the store's rule is promoted.

Data, loss and a metric are functions of one's own, which come to the pods as text in the values.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from atelier_store.layout import Store
from atelier_store.ranking import rank
from atelier_store.spec import Spec

from tests.e2e.cluster_access import STORE, Release

OWN = """\
import numpy as np
from sklearn.datasets import load_digits
from torch.nn import functional


def pictures():
    digits = load_digits()
    return {"x": (digits.images * 15).astype(np.uint8), "y": [f"a {number}" for number in digits.target]}


def loss(scores, y):
    return functional.cross_entropy(scores, y, label_smoothing=0.1)


def missed(truth, answers):
    return float(np.mean(answers.argmax(1) != truth))
"""

HALVING: dict[str, Any] = {
    "experiment": {
        "earlyStopping": {
            "algorithmName": "halving",
            # Of six trials at epoch 4, three go on to 8 and one to 12, at least: in any order some pause, one does not.
            "algorithmSettings": [{"name": "eta", "value": 2}, {"name": "min_epochs", "value": 4}],
        },
        "maxTrialCount": 6,
        "parameters": [
            {"name": "stem_width", "parameterType": "discrete", "feasibleSpace": {"list": [4, 8, 16]}},
            {
                "name": "lr",
                "parameterType": "double",
                "feasibleSpace": {"min": 0.00001, "max": 0.01, "distribution": "logUniform"},
            },
        ],
    },
    "trainer": {
        "tailEpochs": 0,
        "data": {"source": "own:pictures", "name": None},
        "loss": "own:loss",
        "metrics": {"missed": "own:missed"},
        "modules": {"own.py": OWN},
    },
}


def test_paused_trials_are_no_failures_and_the_best_of_all_is_promoted(release: Release, tmp_path: Path) -> None:
    release.upgrade(values=HALVING)
    status = release.search_ends()
    assert (status["trialsSucceeded"], status.get("trialsFailed", 0)) == (6, 0)
    with release.client() as client:
        model = release.model_of(release.experiment, client)
    promoted, manifest = model["promotion"], model["manifest"]
    assert manifest["labels"] == [f"a {number}" for number in range(10)]
    assert manifest["metrics"]["val_missed"] == pytest.approx(1 - manifest["metrics"]["val_accuracy"])
    states = [card["status"] for card in release.store(STORE)["trials"].values()]
    assert {"paused", "succeeded"} <= set(states)
    store = Store(release.copy_store(tmp_path / "store"))
    first, *others = rank(store, Spec.read(store.experiment(release.experiment).spec)).entries
    assert promoted["key"] == first.key
    metrics = [entry.metric for entry in (first, *others) if entry.rank is not None and entry.metric is not None]
    assert metrics[0] == max(metrics)
