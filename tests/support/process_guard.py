"""A pytest plugin: a test that starts a process and has no mark `process` fails.

`make check` leaves out the tests with this mark, so it stays short. `make check` and `make test` load the plugin.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

STARTS = {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen"}
"""Audit events of Python."""

_unmarked: pytest.Item | None = None
"""The test that runs now, if it has no mark."""


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if _unmarked is not None and event in STARTS:
        pytest.fail(f"{_unmarked.nodeid} starts a process ({event} {arguments[:2]}): mark it with pytest.mark.process")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Watch a test and the fixtures that it sets up."""
    global _unmarked
    _unmarked = None if item.get_closest_marker("process") else item
    try:
        return (yield)
    finally:
        _unmarked = None


sys.addaudithook(_refuse)
