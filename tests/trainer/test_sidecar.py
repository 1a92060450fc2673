"""A trial in a pod waits for Katib's metrics collector to see its processes; elsewhere it waits for nothing."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from atelier_trainer.sidecar import SETTLED, wait_until_seen

TICKS = os.sysconf("SC_CLK_TCK")
KATIBS_SHELL = (
    "sh\0-c\0python -m atelier_trainer 1>/var/log/katib/metrics.log 2>&1 && echo completed > /var/log/katib/$$.pid\0"
)


def never() -> bool:
    return False


def process(proc: Path, pid: int, parent: int, age: float, command: str = "") -> None:
    """As the kernel writes it, and all at once; a command's name may hold spaces and brackets."""
    folder = proc / f"new-{pid}"
    folder.mkdir(parents=True)
    started = int((time.clock_gettime(time.CLOCK_BOOTTIME) - age) * TICKS)
    (folder / "stat").write_text(f"{pid} (a) name) S {parent} " + "0 " * 17 + f"{started} 0 0\n")
    (folder / "cmdline").write_text(command)
    folder.rename(proc / str(pid))


@pytest.fixture
def pod(tmp_path: Path) -> Path:
    """Processes of a pod: its own is number 1, Katib's shell 7, and below it this one."""
    process(tmp_path, 1, 0, 100, "/pause\0")
    process(tmp_path, 7, 0, 90, KATIBS_SHELL)
    process(tmp_path, os.getpid(), 7, 90)
    return tmp_path


def waits(act: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=act)
    thread.start()
    thread.join(0.3)
    assert thread.is_alive(), "it did not wait"
    return thread


def test_a_trial_waits_for_a_collector_that_has_yet_to_start(pod: Path) -> None:
    waiting = waits(lambda: wait_until_seen(never, pod))
    process(pod, 30, 0, SETTLED)
    waiting.join(60)
    assert not waiting.is_alive()


def test_a_collector_gets_time_to_look(pod: Path) -> None:
    begun = time.clock_gettime(time.CLOCK_BOOTTIME) - (SETTLED - 1)
    process(pod, 30, 0, SETTLED - 1)
    wait_until_seen(never, pod)
    assert time.clock_gettime(time.CLOCK_BOOTTIME) - begun >= SETTLED - 1 / TICKS


def test_a_long_trial_waits_for_nothing(pod: Path, caplog: pytest.LogCaptureFixture) -> None:
    process(pod, 30, 0, 80)
    wait_until_seen(never, pod, patience=30)
    assert caplog.text == ""  # else it waited until its patience ended


def test_processes_of_the_trials_own_container_are_no_collector(pod: Path, caplog: pytest.LogCaptureFixture) -> None:
    process(pod, 40, 7, 80)
    wait_until_seen(never, pod, patience=0)
    assert "no metrics collector has started" in caplog.text


def test_a_collector_that_never_comes_is_given_up_with_a_warning(pod: Path, caplog: pytest.LogCaptureFixture) -> None:
    wait_until_seen(never, pod, patience=0)
    assert "no metrics collector has started" in caplog.text


def test_a_trial_that_is_stopped_does_not_wait(pod: Path, caplog: pytest.LogCaptureFixture) -> None:
    wait_until_seen(lambda: True, pod, patience=30)
    assert caplog.text == ""  # there is no collector, so only the stop can have ended it


def test_where_katib_did_not_start_it_nothing_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As by kubectl exec or docker exec, where a container's first process has no parent either."""
    process(tmp_path, 1, 0, 100, "sleep\0infinity\0")
    process(tmp_path, 7, 0, 90, "sh\0")
    process(tmp_path, os.getpid(), 7, 90)
    wait_until_seen(never, tmp_path, patience=0)
    wait_until_seen(never, patience=0)
    assert caplog.text == ""
