"""What a benchmark runs ends with it."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from atelier_store.processes import process

from tests.support import ROOT
from tests.support.server_process import eventually

pytestmark = pytest.mark.process

PARENT = """
import subprocess, sys
from benchmarks.children import with_parent

child = subprocess.Popen(["sleep", "600"], preexec_fn=with_parent(lambda: None))
print(child.pid, flush=True)
child.wait()
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_child_ends_with_the_benchmark_that_is_killed(how: signal.Signals) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert process(child) is not None
    parent.send_signal(how)
    assert parent.wait() == -how
    parent.stdout.close()
    eventually(lambda: process(child) is None)
