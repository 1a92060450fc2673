"""Examples that stay in their file train the same network, bit for bit, as those that are held in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from atelier_store.arrays import StoredArray
from atelier_store.folds import folds
from atelier_trainer import checkpoint, examples
from atelier_trainer.examples import InFile
from atelier_trainer.folds import FoldedTraining
from atelier_trainer.training import Rows, Stopped, Training
from atelier_trial.data import input_statistics, statistics_of_parts

from tests.trainer.test_training import rows, training

Place = Callable[[Rows], Rows]


@pytest.fixture
def in_file(tmp_path: Path) -> Place:
    """Puts rows among others into a file, of which they are then read."""

    def put(given: Rows) -> Rows:
        x = np.repeat(given.x[:].numpy(), 2, axis=0)
        x[1::2] = 255
        path = tmp_path / f"{next(numbers)}.npy"
        np.save(path, x)
        return replace(given, x=InFile(StoredArray(path), np.arange(0, len(x), 2)))

    numbers = count()

    return put


def moved(trained: Training, in_file: Place) -> Training:
    trained.rows = in_file(trained.rows)
    return trained


@pytest.mark.training
def test_a_training_from_a_file_that_is_stopped_and_resumed_has_the_bits_of_one_in_memory(in_file: Place) -> None:
    held = training()
    losses = [held.train_epoch(lambda: False) for _ in range(2)]

    read, found = moved(training(), in_file), []
    stops = iter([False, False, True, *[False] * 100])
    with pytest.raises(Stopped):
        read.train_epoch(lambda: next(stops))
    state, read = read.state_dict(), moved(training(), in_file)
    read.load_state_dict(state)
    found = [read.train_epoch(lambda: False) for _ in range(2)]
    assert found == losses
    assert checkpoint.weights_sha256(read.averaged) == checkpoint.weights_sha256(held.averaged)
    assert read.evaluate(in_file(rows())) == held.evaluate(rows())


def of_folds(place: Place) -> FoldedTraining:
    """A training with two folds of rows with weights."""
    weights = torch.arange(40.0) + 1
    every = replace(rows(), weight=weights)

    def only(index: np.ndarray) -> Rows:
        return place(Rows(every.x[torch.from_numpy(index)], every.y[index], weights[index]))

    def arguments(on: Rows) -> tuple[Any, ...]:
        of = training()
        return of.model, of.task, of.kind, on, of.recipe, of.precision

    parts = folds(every.y.numpy(), 2, 0)
    each = [(Training(*arguments(only(learnt))), only(validation)) for learnt, validation in parts]
    return FoldedTraining(each, *arguments(place(every)))


@pytest.mark.training
def test_folds_and_weights_of_rows_in_a_file_have_the_bits_of_those_in_memory(in_file: Place) -> None:
    held, read = of_folds(lambda given: given), of_folds(in_file)
    assert [held.train_epoch(lambda: False)] == [read.train_epoch(lambda: False)]
    assert held.evaluate_folds() == read.evaluate_folds()
    for one, other in zip([held, *(of for of, _ in held.folds)], [read, *(of for of, _ in read.folds)], strict=True):
        assert checkpoint.weights_sha256(one.averaged) == checkpoint.weights_sha256(other.averaged)


@pytest.mark.parametrize("most", [1, 10**6])
def test_examples_are_gone_through_in_parts_of_bounded_size(
    in_file: Place, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(examples, "EVALUATED_BYTES", most)
    given = rows(n=700)
    for x in (given.x, in_file(given).x):
        parts = list(examples.in_order(x))
        assert [len(part) for part in parts] == ([1] * 700 if most == 1 else [500, 200])
        assert torch.equal(torch.cat(parts), given.x[:])


@pytest.mark.parametrize("channels", [(), (3,)])
def test_statistics_of_parts_are_those_of_all(channels: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).integers(0, 256, (50, 6, 5, *channels)).astype(np.uint8)
    whole, parts = input_statistics(x, "images"), statistics_of_parts(np.split(x, [1, 20, 49]), "images")
    assert parts.count == whole.count
    assert parts.mean == pytest.approx(whole.mean, rel=1e-14)
    assert parts.std == pytest.approx(whole.std, rel=1e-14)
