"""A stop request takes signals only once it is installed, and turns true with the first one."""

import signal

import pytest
from atelier_trial.request import StopRequest

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@pytest.fixture
def handlers():
    """The handlers of now, put back after the test."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield before
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_stop_request_that_is_not_installed_leaves_signals_alone(handlers):
    assert StopRequest()() is False
    assert {number: signal.getsignal(number) for number in SIGNALS} == handlers


@pytest.mark.parametrize("number", SIGNALS)
def test_an_installed_stop_request_is_true_after_a_signal(handlers, number):
    stop = StopRequest()
    stop.install()
    assert stop() is False
    signal.raise_signal(number)
    assert stop() is True
