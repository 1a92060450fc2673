"""A pytest plugin: a test that starts a process and has no mark `process` fails.

`make check` leaves out the tests with this mark, so it stays short. `make check` and `make test` load the plugin.
An audit hook would see the same, but it costs a microsecond for each of Python's audit events, which are many.
"""

from __future__ import annotations

import ctypes.util
import functools
import multiprocessing.util
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

_unmarked: pytest.Item | None = None
"""The test that runs now, if it has no mark."""


def _guard(place: Any, name: str, shown: str) -> None:
    """Have this function fail a test without the mark."""
    start = getattr(place, name)

    @functools.wraps(start)
    def guarded(*arguments: Any, **named: Any) -> Any:
        if _unmarked is not None:
            pytest.fail(f"{_unmarked.nodeid} starts a process ({shown}): mark it with pytest.mark.process")
        return start(*arguments, **named)

    setattr(place, name, guarded)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Watch a test and the fixtures that it sets up."""
    global _unmarked
    _unmarked = None if item.get_closest_marker("process") else item
    try:
        return (yield)
    finally:
        _unmarked = None


def _find_library(name: str) -> str | None:
    """The same as without the guard: the first import of torch asks ldconfig, in whatever test that is."""
    global _unmarked
    held, _unmarked = _unmarked, None
    try:
        return _found(name)
    finally:
        _unmarked = held


_found = ctypes.util.find_library
ctypes.util.find_library = _find_library
for _name in ("execv", "execve", "fork", "forkpty", "posix_spawn", "posix_spawnp", "system"):
    _guard(os, _name, f"os.{_name}")
_guard(subprocess.Popen, "__init__", "subprocess.Popen")
_guard(multiprocessing.util, "spawnv_passfds", "multiprocessing")
