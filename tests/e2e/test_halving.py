"""Early stopping in pods: a paused trial counts as succeeded in Katib, and the best by the store's rule is promoted."""

from __future__ import annotations

from pathlib import Path

from atelier_store.layout import Store
from atelier_store.ranking import rank
from atelier_store.spec import Spec

from tests.e2e.cluster_access import STORE, Release

HALVING = {
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
    "trainer": {"tailEpochs": 0},
}


def test_paused_trials_are_no_failures_and_the_best_of_all_is_promoted(release: Release, tmp_path: Path) -> None:
    release.upgrade(values=HALVING)
    status = release.search_ends()
    assert (status["trialsSucceeded"], status.get("trialsFailed", 0)) == (6, 0)
    with release.client() as client:
        promoted = release.model_of(release.experiment, client)["promotion"]
    states = [card["status"] for card in release.store(STORE)["trials"].values()]
    assert {"paused", "succeeded"} <= set(states)
    store = Store(release.copy_store(tmp_path / "store"))
    first, *others = rank(store, Spec.read(store.experiment(release.experiment).spec)).entries
    assert promoted["key"] == first.key
    metrics = [entry.metric for entry in (first, *others) if entry.rank is not None and entry.metric is not None]
    assert metrics[0] == max(metrics)
