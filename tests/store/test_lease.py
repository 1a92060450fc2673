"""One owner at a time: others wait or are told who it is; dead and stopped owners are followed, and learn of it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from atelier_store.lease import Lease, LeaseHeld, LeaseLost

pytestmark = pytest.mark.process

OWNER = """
import sys
from pathlib import Path
from atelier_store import lease
lease.HEARTBEAT, lease.STALE_AFTER = 0.1, float(sys.argv[2])
def told(holder):
    print("waiting for", holder, flush=True)
with lease.Lease.acquire(Path(sys.argv[1]), "the trial", keep_waiting=lambda: True, on_wait=told) as held:
    print("owns", flush=True)
    for _ in sys.stdin:
        try:
            held.check()
            print("still owns", flush=True)
        except lease.LeaseLost as error:
            print("lost:", error, flush=True)
print("ended", flush=True)
"""


@contextmanager
def owner(path: Path, stale_after: float = 60.0) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(path), str(stale_after)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in filter(None, (process.stdin, process.stdout)):
            pipe.close()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def ask(process: subprocess.Popen[str]) -> str:
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()
    return said(process)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trial" / "lease"


def test_a_lease_that_is_given_back_leaves_nothing_and_can_be_taken_again(path: Path) -> None:
    for _ in range(2):
        with Lease.acquire(path, "a") as held:
            held.check()
            assert path.exists()
        assert list(path.parent.iterdir()) == []


def test_a_second_process_is_refused_with_the_holders_name(path: Path) -> None:
    with owner(path) as first:
        assert said(first) == "owns"
        with pytest.raises(LeaseHeld, match=rf"the trial, process {first.pid} on "), Lease.acquire(path, "b"):
            pass
        assert ask(first) == "still owns"


def test_a_second_process_waits_until_the_first_has_ended(path: Path) -> None:
    with owner(path) as first:
        assert said(first) == "owns"
        with owner(path) as second:
            assert said(second).startswith(f"waiting for the trial, process {first.pid}")
            assert first.stdin
            first.stdin.close()
            assert said(first) == "ended"
            assert said(second) == "owns"


def test_the_lease_of_a_killed_process_is_taken_over_at_once(path: Path) -> None:
    with owner(path) as first:
        assert said(first) == "owns"
        first.kill()
        first.wait()
        with Lease.acquire(path, "b") as held:  # keeps waiting for nobody: a living owner would raise LeaseHeld
            held.check()


def test_a_stopped_owner_is_followed_and_learns_that_it_lost(path: Path) -> None:
    with owner(path) as first:
        assert said(first) == "owns"
        os.kill(first.pid, signal.SIGSTOP)
        with owner(path, stale_after=0.5) as second:
            assert said(second).startswith("waiting for")
            assert said(second) == "owns"
            os.kill(first.pid, signal.SIGCONT)
            assert ask(first).startswith("lost:")
            assert first.stdin
            first.stdin.close()
            assert said(first) == "ended"
            assert ask(second) == "still owns"  # what lost it did not take it away


def test_a_living_owner_is_not_followed_however_long_it_works(path: Path) -> None:
    with owner(path) as first:
        assert said(first) == "owns"
        with owner(path, stale_after=0.5) as second:
            assert said(second).startswith("waiting for")
            with pytest.raises(subprocess.TimeoutExpired):
                second.wait(1.5)
            assert ask(first) == "still owns"


def test_an_owner_whose_lease_is_gone_learns_of_it(path: Path) -> None:
    with Lease.acquire(path, "a") as held:
        path.unlink()
        with pytest.raises(LeaseLost, match="the file is gone"):
            held.check()


def test_what_is_not_a_lease_is_put_aside(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("{")
    with Lease.acquire(path, "a") as held:
        held.check()
    assert [p.name.startswith("lease.torn-") for p in path.parent.iterdir()] == [True]


CONTENDER = """
import os, sys
from pathlib import Path
from atelier_store import lease
lease.POLL = 0.001
folder = Path(sys.argv[1])
for turn in range(int(sys.argv[2])):
    with lease.Lease.acquire(folder / "lease", "turn", keep_waiting=lambda: True):
        inside = os.open(folder / "inside", os.O_CREAT | os.O_EXCL)  # FileExistsError if another owner is in here too
        count = folder / "count"
        count.write_text(str(int(count.read_text()) + 1))
        os.close(inside)
        (folder / "inside").unlink()
        if turn == 10 and sys.argv[3] == "dies":
            os.kill(os.getpid(), 9)
"""


def test_of_many_that_contend_never_two_own_it(tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")
    fates = ["lives", "dies", "lives", "dies", "lives"]
    processes = [
        subprocess.Popen([sys.executable, "-c", CONTENDER, str(tmp_path), "30", fate], stderr=subprocess.PIPE)
        for fate in fates
    ]
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert errors == [b""] * 5
    assert [process.returncode for process in processes] == [-9 if fate == "dies" else 0 for fate in fates]
    assert int((tmp_path / "count").read_text()) == 3 * 30 + 2 * 11
