"""The cluster's daemons, started detached; one is stopped only if pid, start time and command line are as recorded."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from atelier_store import processes as kernel

from .layout import LOGS, RUN
from .steps import Failure
from .waiting import Check, until

RECORDS = RUN / "processes"


@dataclass(frozen=True)
class Process:
    """One that was started; started is in the kernel's clock ticks since boot and differs if the pid is reused."""

    name: str
    pid: int
    started: int
    command: list[str]
    ports: list[int]

    def runs(self) -> bool:
        return start_time(self.pid) == self.started and command_line(self.pid) == self.command

    def seconds(self) -> float:
        """How long it has been running."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) - self.started / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Daemon:
    """One to run, and the check that it works."""

    name: str
    command: list[str]
    check: Check
    ports: tuple[int, ...] = ()
    seconds: float = 60


def start_time(pid: int) -> int | None:
    """None for a process that is gone or a zombie."""
    living = kernel.process(pid)
    return living.started if living else None


def command_line(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except (FileNotFoundError, ProcessLookupError):
        return []


def log_of(name: str) -> Path:
    return LOGS / f"{name}.log"


def running(name: str) -> Process | None:
    """The process of this name, if it is still the one that was started."""
    record = RECORDS / f"{name}.json"
    if not record.exists():
        return None
    process = Process(**json.loads(record.read_text()))
    return process if process.runs() else None


def start(daemon: Daemon) -> Process:
    name, command = daemon.name, daemon.command
    if taken := [str(port) for port in daemon.ports if not _free(port)]:
        raise Failure(
            f"{name}: another process listens on port {' and '.join(taken)} of this machine (which: ss -ltnp)"
        )
    LOGS.mkdir(parents=True, exist_ok=True)
    RECORDS.mkdir(parents=True, exist_ok=True)
    if log_of(name).exists():
        log_of(name).rename(LOGS / f"{name}.before.log")
    with log_of(name).open("w") as log:
        try:
            pid = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            ).pid
        except FileNotFoundError as error:
            raise Failure(f"{name}: {command[0]} is missing") from error
    process = Process(name, pid, start_time(pid) or 0, command, list(daemon.ports))
    (RECORDS / f"{name}.json").write_text(json.dumps(asdict(process)))
    # For a moment after exec the kernel shows no command line.
    until(
        lambda: None if process.runs() or start_time(pid) is None else "it has no command line", 30, name, every=0.005
    )
    return process


def _free(port: int) -> bool:
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("", port))
        except OSError:
            return False
    return True


def ensure(daemon: Daemon) -> str:
    """Start it unless it runs, and wait until it works; the outcome in words."""
    before = running(daemon.name)
    process = before or start(daemon)

    def missing() -> str | None:
        if not process.runs():
            raise Failure(f"{daemon.name} ended by itself", log_of(daemon.name))
        return daemon.check()

    until(missing, daemon.seconds, daemon.name, log_of(daemon.name))
    if before is None:
        return "started"
    return (
        "kept"
        if before.command == daemon.command
        else "kept, with the settings that it was started with (make cluster-down renews it)"
    )


def stop(name: str, patience: float = 10) -> bool:
    """SIGTERM, then SIGKILL; whether there was something to stop."""
    process = running(name)
    if process:
        _end(process, patience)
    (RECORDS / f"{name}.json").unlink(missing_ok=True)
    return process is not None


def _end(process: Process, patience: float) -> None:
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        # A descriptor stays with its process: checked once more, what it names is ours for good.
        for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 10)):
            if not process.runs():
                return
            signal.pidfd_send_signal(descriptor, number)
            if _ended(descriptor, seconds):
                return
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)
    raise Failure(f"{process.name} (pid {process.pid}) does not end, not even by SIGKILL", log_of(process.name))


def _ended(descriptor: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
