"""Trials as child processes, forked from a server that has imported torch: one starts in milliseconds, not seconds."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import queue
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker, util
from multiprocessing.connection import Connection
from pathlib import Path

from atelier_cli.signals import ctrl_c_blocked_in_children

PRELOADED = [
    "atelier_trainer.appraisal",
    "atelier_trainer.run",
    "atelier_cli.__main__",  # a child runs the script `atelier` again, as far as its `if __name__ == "__main__"`
    "atelier_cli.search.children",
    # a trial would import these late, when it splits and exports
    "numpy.ma",
    "numpy.random",
    "onnx",
    "torch.onnx",
]
"""What the fork server imports before the first fork. It ignores a module that is not there."""

STOP_TIMEOUT = 30.0
"""Seconds that trials get to write their checkpoints."""

UNDER_WAY = "under way: "
"""What a line begins with that a child prints between its metrics, for the engine alone."""

LONGEST_SOCKET = 107
"""Bytes of a socket's path that Linux allows."""

CONTEXT = multiprocessing.get_context("forkserver")


@dataclass(frozen=True)
class Printed:
    """A line that a trial printed."""

    name: str
    line: str


@dataclass(frozen=True)
class UnderWay:
    """How far a trial's epoch is, in words."""

    name: str
    text: str


@dataclass(frozen=True)
class Exited:
    """A trial's process is gone; code is its exit code, or the signal that killed it as a negative number."""

    name: str
    code: int


Event = Printed | UnderWay | Exited


class Children:
    """The running trial processes, by name. What they print and how they exit arrives as one sequence of events."""

    def __init__(self) -> None:
        self._running: dict[str, _Child] = {}
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()

    def start(self, name: str, arguments: Sequence[str], messages: Path) -> None:
        """Run the trial program; its standard error goes to the file messages."""
        self._running[name] = _Child(name, arguments, messages, self._events.put)

    def event(self, timeout: float) -> Event | None:
        """The next event; None if there is none for timeout seconds."""
        try:
            event = self._events.get(timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(event, Exited):
            del self._running[event.name]
        return event

    def stop(self, at_once: Callable[[], bool] = lambda: False) -> list[str]:
        """End all trials; each writes a checkpoint after its batch. The names of those that had to be killed.

        They are those that take more than STOP_TIMEOUT, or all that still run once at_once() is true.
        """
        for child in self._running.values():
            child.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT
        killed: list[str] = []
        while self._running:
            self.event(timeout=0.1)
            if not killed and (at_once() or time.monotonic() > deadline):
                killed = list(self._running)
                for child in self._running.values():
                    child.kill()
        return killed


class _Child:
    """One process. A thread calls on_event with each line that it prints, and with its exit."""

    def __init__(
        self, name: str, arguments: Sequence[str], messages: Path, on_event: Callable[[Event], object]
    ) -> None:
        messages.parent.mkdir(parents=True, exist_ok=True)
        messages.write_bytes(b"")  # if the disk is full, the engine has to report it
        self._name, self._on_event = name, on_event
        self._reader, writer = CONTEXT.Pipe(duplex=False)
        engine_alive, self._alive = CONTEXT.Pipe(duplex=False)
        arguments_of_run = (list(arguments), str(messages), writer, engine_alive)
        self._process = CONTEXT.Process(target=_run, args=arguments_of_run, daemon=True)
        start_fork_server()
        self._process.start()
        writer.close()
        engine_alive.close()
        self.terminate, self.kill = self._process.terminate, self._process.kill
        threading.Thread(target=self._follow, name=f"{name}, process {self._process.pid}", daemon=True).start()

    def _follow(self) -> None:
        with (
            contextlib.suppress(EOFError, OSError),
            os.fdopen(self._reader.fileno(), encoding="utf-8", errors="replace", closefd=False) as lines,
        ):
            for line in lines:
                self._on_event(_event_of(self._name, line))
        self._process.join()
        self._reader.close()
        self._alive.close()
        self._on_event(Exited(self._name, self._process.exitcode or 0))


def _event_of(name: str, line: str) -> Printed | UnderWay:
    if line.startswith(UNDER_WAY):
        return UnderWay(name, line.removeprefix(UNDER_WAY).rstrip("\n"))
    return Printed(name, line)


def start_fork_server() -> None:
    """Start the fork server unless it runs; it needs seconds to import torch, and its trials never receive Ctrl-C.

    multiprocessing would start it with the first process; there is no other way to start it earlier, or with Ctrl-C
    blocked.
    """
    CONTEXT.set_forkserver_preload(PRELOADED)
    _choose_folder_of_sockets()
    resource_tracker.ensure_running()  # first, because its start unblocks Ctrl-C
    with ctrl_c_blocked_in_children():
        forkserver.ensure_running()


def _choose_folder_of_sockets() -> None:
    """Have the fork server's socket below /tmp if TMPDIR is too long for one; multiprocessing keeps that folder."""
    longest = Path(tempfile.gettempdir(), "pymp-12345678", "listener-12345678")
    before = tempfile.tempdir
    if len(os.fsencode(longest)) > LONGEST_SOCKET:
        tempfile.tempdir = "/tmp"  # noqa: S108  # multiprocessing makes a folder of its own in it
    try:
        util.get_temp_dir()
    finally:
        tempfile.tempdir = before


def _run(arguments: list[str], messages: str, out: Connection, engine_alive: Connection) -> None:
    """Run the trial program in the child as `python -m atelier_trainer` does, with its output sent to the engine."""
    os.dup2(out.fileno(), 1)
    out.close()
    descriptor = os.open(messages, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # until the process exits
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    threading.Thread(target=_stop_with_engine, args=(engine_alive,), daemon=True).start()
    from atelier_trainer import __main__ as trainer
    from atelier_trainer import epoch_progress

    tells = logging.StreamHandler(sys.stdout)
    tells.setFormatter(logging.Formatter(f"{UNDER_WAY}%(message)s"))
    epoch_progress.log.addHandler(tells)
    trainer.leave(trainer.main(arguments))


def _stop_with_engine(engine_alive: Connection) -> None:
    """Send this process SIGTERM when the engine is gone, however it ended: its end of the pipe is closed then."""
    with contextlib.suppress(EOFError, OSError):
        engine_alive.recv()
    os.kill(os.getpid(), signal.SIGTERM)
