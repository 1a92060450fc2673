"""Trials as child processes, forked from a server that has imported torch already: a trial starts in milliseconds instead of seconds."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

WARM = ["atelier_trainer.run", "atelier_cli.children"]
"""What the server imports before the first fork."""

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(WARM)


class Child:
    """One run of the trial program. on_line gets each line it prints, on_exit its exit code (negative: the signal); both in a thread."""

    def __init__(self, arguments: Sequence[str], errors: Path, on_line: Callable[[str], object], on_exit: Callable[[int], object]) -> None:
        errors.parent.mkdir(parents=True, exist_ok=True)
        self._reader, writer = CONTEXT.Pipe(duplex=False)
        tied, self._tie = CONTEXT.Pipe(duplex=False)
        self._process = CONTEXT.Process(target=_run, args=(list(arguments), str(errors), writer, tied), daemon=True)
        self._process.start()
        writer.close()
        tied.close()
        self._on_line, self._on_exit = on_line, on_exit
        self._thread = threading.Thread(target=self._follow, name=f"trial process {self._process.pid}", daemon=True)
        self._thread.start()

    def terminate(self) -> None:
        """Ask it to stop: it ends after the batch under way, checkpointed."""
        self._process.terminate()

    def kill(self) -> None:
        """End it at once; what it had checkpointed stays."""
        self._process.kill()

    def _follow(self) -> None:
        with contextlib.suppress(EOFError, OSError), os.fdopen(self._reader.fileno(), closefd=False) as lines:
            for line in lines:
                self._on_line(line)
        self._process.join()
        self._reader.close()
        self._tie.close()
        self._on_exit(self._process.exitcode or 0)


def _run(arguments: list[str], errors: str, out: Connection, tied: Connection) -> None:
    """In the child: the trial program as `python -m atelier_trainer` runs it, its output going to the engine and its messages to a file."""
    os.dup2(out.fileno(), 1)
    out.close()
    descriptor = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False, buffering=1)  # noqa: SIM115  # for good
    threading.Thread(target=_die_with, args=(tied,), daemon=True).start()
    from atelier_trainer import __main__ as trainer

    code = trainer.main(arguments)
    sys.stdout.flush()
    os._exit(code)  # torch's threads need no farewell


def _die_with(tied: Connection) -> None:
    """Stop when the engine is gone, however it went."""
    with contextlib.suppress(EOFError, OSError):
        tied.recv()
    os.kill(os.getpid(), signal.SIGTERM)
