"""Of which epoch a trial keeps the weights."""

from __future__ import annotations

from typing import Any

import pytest
from atelier_store import keeping
from atelier_store.records import TrialConfig
from atelier_store.spec import Spec


def spec(direction: str = "maximize", **trainer: Any) -> Spec:
    experiment = {"name": "a", "parameters": [], "maxTrialCount": 1, "maxFailedTrialCount": 0}
    data = {"source": "sklearn", "name": "digits"}
    objective = {"type": direction, "objectiveMetricName": "val_mcc"}
    trainer = {"data": data, "maxEpochs": 9, **trainer}
    return Spec.model_validate({"experiment": experiment | {"objective": objective}, "trainer": trainer})


@pytest.mark.parametrize(
    ("direction", "epochs"), [("maximize", [1, 2, 2, 2, 5]), ("minimize", [1, 1, 3, 3, 3])], ids=["highest", "lowest"]
)
def test_the_best_epoch_so_far_is_kept_and_of_equal_ones_the_first(direction: str, epochs: list[int]) -> None:
    measured = [0.5, 0.75, 0.25, 0.75, 0.875]
    assert keeping.epochs(spec(direction, keepWeights="best"), measured) == epochs
    assert keeping.values(spec(direction, keepWeights="best"), measured) == [measured[epoch - 1] for epoch in epochs]


def test_without_a_choice_the_last_epoch_is_kept() -> None:
    assert keeping.values(spec(), [0.5, 0.75, 0.25]) == [0.5, 0.75, 0.25]
    assert keeping.epochs(spec(keepWeights="best"), []) == []


def test_which_weights_are_kept_is_in_spec_and_key_only_where_it_is_the_best() -> None:
    assert spec(keepWeights="last").search_digest == spec().search_digest != spec(keepWeights="best").search_digest
    config: dict[str, Any] = {"params": {}, "data_digest": "d", "validation_fraction": 0.2, "network_digest": "n"}
    config |= {"recipe_version": 1, "seed": 0}
    keys = [
        TrialConfig.model_validate(config | {"keep_weights": chosen}).key
        for chosen in (None, {"metric": "val_mcc", "type": "maximize"}, {"metric": "val_loss", "type": "minimize"})
    ]
    assert keys[0] == TrialConfig.model_validate(config).key
    assert len(set(keys)) == 3
