"""A search whose trials ended in every way that there is."""

from pathlib import Path

import pytest
from atelier_store.layout import Store
from atelier_store.records import Card, TrialRecord
from atelier_store.spec import Spec

from tests.support.experiments import add_curve, add_trial, begin, spec
from tests.support.onnx_bundles import configured, image_bundle

LR = {"min": "0.01", "max": "1", "distribution": "logUniform"}
PARAMETERS = [
    {"name": "lr", "parameterType": "double", "feasibleSpace": LR},
    {"name": "depth", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "4"}},
    {"name": "width", "parameterType": "discrete", "feasibleSpace": {"list": ["16", "8"]}},
    {"name": "op", "parameterType": "categorical", "feasibleSpace": {"list": ["conv3", "sep,3"]}},
]
SUGGESTED = {"lr": "0.1", "depth": "2", "width": "16", "op": "sep,3"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def searched(store: Store) -> Spec:
    """Trials that succeeded (with a tail), were paused, run, failed, are over the budget, were refused, or are new."""
    searched = spec("every", parameters=PARAMETERS, budget={"params": 100, "latencyMs": 1})
    begin(store, searched)
    keys = {}
    for number, (status, metric) in enumerate([("succeeded", 0.9), ("paused", 0.5), ("running", 0.4), ("failed", 0.3)]):
        bundle = configured(image_bundle(metric=metric), {"network": number})
        reason = "Diverged: =1+1\nat epoch 3" if status == "failed" else None
        keys[status] = add_trial(store, searched, bundle, status, SUGGESTED, status=status, reason=reason)
        add_curve(store, keys[status], "val_accuracy", [metric / 2, metric])
    over = configured(image_bundle(), {"network": 9})
    keys["over"] = add_trial(store, searched, over, "over", SUGGESTED, status="over_budget", params=150)
    tail = configured(image_bundle(metric=0.95), {"network": 0}, parent=keys["succeeded"], parent_epochs=2)
    add_curve(store, add_trial(store, searched, tail, "tail"), "val_accuracy", [0.95])
    paths = store.experiment(searched.experiment_name)
    refused = TrialRecord(trial="refused", params={"lr": "9"}, key=None, error="lr: 9 is too much")
    refused.write(paths.trial("refused"))
    TrialRecord(trial="twice", params=SUGGESTED, key=keys["succeeded"]).write(paths.trial("twice"))
    TrialRecord(trial="new", params=SUGGESTED, key="0" * 16).write(paths.trial("new"))
    paths.trial("torn").write_text("{")
    for number, name in enumerate(ORDER[:-1]):
        record = TrialRecord.read(paths.trial(name))
        record.model_copy(update={"number": number}).write(paths.trial(name))
    assert Card.read(store.trial(keys["paused"]).card).status == "paused"
    return searched


ORDER = ["succeeded", "paused", "running", "failed", "over", "tail", "refused", "twice", "new", "torn"]
