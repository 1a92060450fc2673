"""Trials as child processes, forked from a server that has imported torch already: a trial starts in milliseconds instead of seconds."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType

from atelier_trial.request import Request

from atelier_cli.search.signals import ctrl_c_kept_from_children

WARM = ["atelier_trainer.run", "atelier_cli.children", "numpy.random", "onnx", "torch.onnx"]
"""What the server imports before the first fork; the last three are what a trial would import as late as its split and its export."""

STOP_WITHIN = 30.0
"""Seconds that trials get to write their checkpoints."""

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(WARM)


@dataclass(frozen=True)
class Printed:
    """A line that a trial printed."""

    name: str
    line: str


@dataclass(frozen=True)
class Ended:
    """A trial's process is gone; code is its exit code, negative: the signal that killed it."""

    name: str
    code: int


class Children:
    """The trial processes under way, by name. What they print and how they end comes as events, one after the other."""

    def __init__(self) -> None:
        self._running: dict[str, _Child] = {}
        self._events: queue.SimpleQueue[Printed | Ended] = queue.SimpleQueue()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, name: str, arguments: Sequence[str], messages: Path) -> None:
        """Run the trial program; what it writes to standard error is kept in messages."""
        self._running[name] = _Child(name, arguments, messages, self._events.put)

    def event(self, timeout: float) -> Printed | Ended | None:
        """The next event; None if there is none for timeout seconds."""
        try:
            event = self._events.get(timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(event, Ended):
            del self._running[event.name]
        return event

    def stop(self) -> None:
        """End them all: each after the batch under way, checkpointed; after half a minute at once, as checkpointed before."""
        for child in self._running.values():
            child.terminate()
        deadline = time.monotonic() + STOP_WITHIN
        while self._running:
            if self.event(max(0.0, deadline - time.monotonic())) is None:
                for child in self._running.values():
                    child.kill()
                deadline = time.monotonic() + STOP_WITHIN


class _Child:
    """One process. tell gets each line that it prints, and that it has ended, in a thread."""

    def __init__(
        self, name: str, arguments: Sequence[str], messages: Path, tell: Callable[[Printed | Ended], object]
    ) -> None:
        messages.parent.mkdir(parents=True, exist_ok=True)
        messages.write_bytes(b"")  # a disk that has no room for messages is the engine's to report
        self._name, self._tell = name, tell
        self._reader, writer = CONTEXT.Pipe(duplex=False)
        tied, self._tie = CONTEXT.Pipe(duplex=False)
        self._process = CONTEXT.Process(target=_run, args=(list(arguments), str(messages), writer, tied), daemon=True)
        warm_up()
        with _no_main_module():
            self._process.start()
        writer.close()
        tied.close()
        self.terminate, self.kill = self._process.terminate, self._process.kill
        threading.Thread(target=self._follow, name=f"{name}, process {self._process.pid}", daemon=True).start()

    def _follow(self) -> None:
        with (
            contextlib.suppress(EOFError, OSError),
            os.fdopen(self._reader.fileno(), errors="replace", closefd=False) as lines,
        ):
            for line in lines:
                self._tell(Printed(self._name, line))
        self._process.join()
        self._reader.close()
        self._tie.close()
        self._tell(Ended(self._name, self._process.exitcode or 0))


def warm_up() -> None:
    """Start the fork server unless it runs; it takes seconds to import torch. Ctrl-C is kept from it: the engine ends its trials."""
    resource_tracker.ensure_running()  # first: after its own start it lets Ctrl-C through again
    with ctrl_c_kept_from_children():
        forkserver.ensure_running()


@contextlib.contextmanager
def _no_main_module() -> Iterator[None]:
    """Keep multiprocessing from importing in every trial what the command line imports: half a second each."""
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def arguments_of(request: Request, spec: Path) -> list[str]:
    """The trial program's command line for a request, as Katib's Job would have it."""
    arguments = [
        "--spec",
        str(spec),
        "--store",
        str(request.store.root),
        "--trial",
        request.trial,
        "--threads",
        str(request.threads),
    ]
    if request.number is not None:
        arguments += ["--number", str(request.number)]
    if request.data_dir is not None:
        arguments += ["--data-dir", str(request.data_dir)]
    if request.tail_of is not None:
        return [*arguments, "--tail-of", request.tail_of]
    if request.bars is not None:
        bars = [f"{epoch}={'never' if bar is None else repr(bar)}" for epoch, bar in request.bars.items()]
        arguments += [f"--bar={bar}" for bar in bars or ["none"]]
    return [*arguments, *(f"{name}={value}" for name, value in request.params.items())]


def _run(arguments: list[str], messages: str, out: Connection, tied: Connection) -> None:
    """In the child: the trial program as `python -m atelier_trainer` runs it, its output going to the engine and its messages to a file."""
    os.dup2(out.fileno(), 1)
    out.close()
    descriptor = os.open(messages, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False, buffering=1)  # noqa: SIM115  # for good
    threading.Thread(target=_die_with, args=(tied,), daemon=True).start()
    from atelier_trainer import __main__ as trainer

    trainer.leave(trainer.main(arguments))


def _die_with(tied: Connection) -> None:
    """Stop when the engine is gone, however it went."""
    with contextlib.suppress(EOFError, OSError):
        tied.recv()
    os.kill(os.getpid(), signal.SIGTERM)
