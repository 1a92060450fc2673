"""A long epoch says how far it is, in words that Katib cannot take for a metric; a short one says nothing."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

import pytest
from atelier_trainer.epoch_progress import EVERY, EpochProgress
from atelier_trainer.training import Training

from tests.trainer.test_folds import folded
from tests.trainer.test_training import training

OF_KATIB = r"([\w|-]+)\s*=\s*([+-]?\d*(\.\d+)?([Ee][+-]?\d+)?)"
"""How its collector finds metrics in what a trial prints and logs, where an Experiment says nothing of it."""


def said(caplog: pytest.LogCaptureFixture, seconds: float, batches: int = 900, before: int = 0) -> list[str]:
    """What the log has of an epoch whose batches take so many seconds each."""
    now = 1000.0
    progress = EpochProgress(3, before, batches, lambda: now)
    with caplog.at_level(logging.INFO):
        for done in range(before + 1, batches + 1):
            now += seconds
            progress.at(done)
    return [record.getMessage() for record in caplog.records]


def test_every_minute_of_a_long_epoch_is_said_with_what_is_left(caplog: pytest.LogCaptureFixture) -> None:
    lines = said(caplog, seconds=0.25)
    assert lines == [
        "epoch 3: 240 of 900 batches, 27%, about 2 min 45 s left",
        "epoch 3: 480 of 900 batches, 53%, about 1 min 45 s left",
        "epoch 3: 720 of 900 batches, 80%, about 45 s left",
    ]
    assert not any(re.search(OF_KATIB, line) for line in lines)


def test_what_an_earlier_run_has_done_of_the_epoch_says_nothing_of_its_speed(caplog: pytest.LogCaptureFixture) -> None:
    assert said(caplog, seconds=30, batches=1_000, before=996) == [
        "epoch 3: 998 of 1,000 batches, 100%, about 1 min 0 s left"
    ]


@pytest.mark.parametrize(("seconds", "batches"), [(EVERY / 901, 900), (2 * EVERY, 1)])
def test_an_epoch_of_less_than_a_minute_or_of_one_batch_says_nothing(
    caplog: pytest.LogCaptureFixture, seconds: float, batches: int
) -> None:
    assert said(caplog, seconds, batches) == []


@pytest.mark.training
@pytest.mark.parametrize("make", [training, folded])
def test_batches_are_counted_through_the_whole_epoch(make: Callable[[], Training]) -> None:
    of = make()
    for _ in range(2):
        counted: list[int] = []

        def goes_on(counted: list[int] = counted) -> bool:
            counted.append(of.batches_done)
            return False

        of.train_epoch(goes_on)
        assert counted == list(range(1, of.batches_of_epoch + 1))
        assert of.batches_done == 0
