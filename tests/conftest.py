"""Tests run alike everywhere: property tests draw the same examples, a busy machine fails none, Ctrl-C works.

Of two processes that share the files none waits long for the other: the short files come last.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

settings.register_profile("repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")

# A shell ignores Ctrl-C for what it starts in the background, and every command that a test starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


SLOW = ("training", "process")
"""Marks of tests that take long, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first, each as it was; needs --no-loadscope-reorder, or pytest-xdist has an order too."""
    place = dict.fromkeys((item.path for item in items), len(SLOW))
    for item in items:
        marks = [number for number, mark in enumerate(SLOW) if item.get_closest_marker(mark)]
        place[item.path] = min([place[item.path], *marks])
    items.sort(key=lambda item: place[item.path])


@pytest.fixture(scope="session")
def uv() -> str:
    """The uv that runs the tests, or that of `make setup`: a PATH need not have one."""
    return os.environ.get("UV") or str(Path(__file__).parents[1] / ".tools" / "bin" / "uv")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The browser in which a module of tests opens pages."""
    from tests.support.browser import launched  # imports Playwright, which few tests need

    with launched() as browser:
        yield browser
