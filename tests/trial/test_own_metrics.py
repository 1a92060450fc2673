"""Metrics of one's own are told from others by their code, and score the test rows by the code of the trial."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from atelier_store.errors import InvalidInput
from atelier_store.records import DataDescription, TrialConfig
from atelier_store.spec import Spec
from atelier_trial.identity import trial_config
from atelier_trial.own_metrics import digests, for_promotion

from tests.support.workplace import profile

CODE = """
def cost(truth, answers):
    return abs(truth - answers.argmax(1)).mean()
def broken(truth, answers):
    raise RuntimeError("no such price")
"""
DATA = DataDescription(
    digest="d", kind="rows", task="classification", shape=(4,), labels=("a", "b"), train_rows=9, test_rows=9, source=""
)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module that is found, and is not imported any more after the test."""
    monkeypatch.setattr(sys, "modules", sys.modules.copy())
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "prices.py"
    path.write_text(CODE)
    importlib.invalidate_caches()
    return path


def searching(**metrics: str) -> Spec:
    return profile(1, metrics=metrics or None)


def config(spec: Spec) -> TrialConfig:
    return trial_config(spec, DATA, {})


def promoted(spec: Spec) -> Any:
    return for_promotion(spec, config(spec))


def test_the_code_of_a_metric_is_in_the_key_of_a_trial_and_none_is_as_before(module: Path) -> None:
    asked, plain = searching(cost="prices:cost"), searching()
    first = config(asked)
    module.write_text(CODE.replace("mean", "sum"))
    assert len({first.key, config(asked).key, config(plain).key}) == 3
    assert "metric_digests" not in config(plain).model_dump()
    assert digests(plain.trainer) is None


def test_a_metric_scores_the_test_rows_too(module: Path) -> None:
    own = promoted(searching(cost="prices:cost"))
    assert own["cost"](np.array([0, 1]), np.array([[0.9, 0.1], [0.8, 0.2]])) == 0.5


def test_what_a_metric_raises_at_a_promotion_is_told_with_its_line(module: Path) -> None:
    own = promoted(searching(loss_of_sales="prices:broken"))
    with pytest.raises(InvalidInput) as error:
        own["loss_of_sales"](np.array([0]), np.array([[1.0, 0.0]]))
    assert error.value.violations == [
        "trainer.metrics.loss_of_sales: raised RuntimeError: no such price (prices.py:5, in broken)"
    ]


def test_code_that_was_edited_since_scores_nothing(module: Path) -> None:
    spec = searching(cost="prices:cost")
    trained = config(spec)
    module.write_text(CODE.replace("mean", "sum"))
    with pytest.raises(InvalidInput, match=r"trainer\.metrics\.cost: is not the code that scored"):
        for_promotion(spec, trained)


def test_a_metric_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match=r"trainer\.metrics\.cost: module 'absent' not found"):
        config(searching(cost="absent:cost"))
