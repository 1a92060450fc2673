"""What the kernel says of a process is read as it means it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from atelier_store.processes import process

pytestmark = pytest.mark.process


def test_this_process_is_there_and_knows_its_parent() -> None:
    found = process(os.getpid())
    assert found is not None
    assert found.parent == os.getppid()


def test_a_child_started_later_and_is_gone_when_it_has_ended() -> None:
    """Also while its parent has yet to ask how it ended."""
    own = process(os.getpid())
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = process(child.pid)
    assert own is not None
    assert found is not None
    assert (found.parent, found.started >= own.started) == (os.getpid(), True)
    child.communicate(b"\n")
    assert process(child.pid) is None


def test_what_is_left_of_a_process_is_none() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert process(child.pid) is None
    child.wait()
