"""A stop request takes signals only once it is installed, and turns true with the first one."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest
from atelier_trial.request import StopRequest

SIGNALS = (signal.SIGTERM, signal.SIGINT)
Handlers = dict[signal.Signals, Any]


@pytest.fixture
def handlers() -> Iterator[Handlers]:
    """The handlers of now, put back after the test."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield before
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_stop_request_that_is_not_installed_leaves_signals_alone(handlers: Handlers) -> None:
    assert StopRequest()() is False
    assert {number: signal.getsignal(number) for number in SIGNALS} == handlers


@pytest.mark.parametrize("number", SIGNALS)
def test_an_installed_stop_request_is_true_after_a_signal(handlers: Handlers, number: signal.Signals) -> None:
    stop = StopRequest()
    stop.install()
    assert stop() is False
    signal.raise_signal(number)
    assert stop() is True
