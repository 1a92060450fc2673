"""What a profile asks of its data that only the data can tell is refused by name, before anything is trained."""

from __future__ import annotations

from typing import Any

import pytest
from atelier_store.records import DataDescription
from atelier_store.spec import Task, Trainer
from atelier_trial.fitness import violations


def found(labels: tuple[str, ...], task: Task = "classification", **trainer: Any) -> list[str]:
    of = Trainer.model_validate({"data": {"source": "sklearn", "name": "iris"}, "max_epochs": 1, **trainer})
    description = DataDescription(
        digest="", kind="rows", task=task, shape=(4,), labels=labels, train_rows=9, test_rows=9, source=""
    )
    return violations(of, description)


def test_a_class_weight_is_for_a_class_of_the_data() -> None:
    assert found(("well", "sick"), class_weights={"sick": 2, "dead": 3}) == [
        "trainer.classWeights: 'dead' is no class; allowed: well, sick"
    ]


@pytest.mark.parametrize("rule", ["f1", 0.3])
def test_a_threshold_is_for_two_classes(rule: str | float) -> None:
    assert found(("well", "sick"), threshold=rule) == []
    assert found(("a", "b", "c"), "multilabel", threshold=rule) == []
    assert found(("a", "b", "c"), threshold=rule) == [
        f"trainer.threshold: {rule}: the data have 3 classes; allowed for other than two: null"
    ]
