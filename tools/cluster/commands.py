"""Programs that are run to their end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from .layout import LOGS
from .steps import Failure


def output(
    *command: str | Path, stdin: str | IO[bytes] | None = None, seconds: float = 120, log: Path | None = None
) -> str:
    """What a command prints; a Failure with its complaint if it fails. stdin is text, or a file to read."""
    source: dict[str, Any] = {"input": stdin} if isinstance(stdin, str) else {"stdin": stdin}
    try:
        done: subprocess.CompletedProcess[str] = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, check=False, **source
        )
    except FileNotFoundError as error:
        raise Failure(f"{command[0]} is missing", log) from error
    except subprocess.TimeoutExpired as error:
        raise Failure(f"{_line(command)}: no end within {seconds:.0f} s", log) from error
    if done.returncode:
        complaint = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise Failure(f"{_line(command)}: exit status {done.returncode}\n{complaint}", log)
    return done.stdout


@contextmanager
def piped(*command: str) -> Iterator[IO[bytes]]:
    """The output of a command, to be read while it runs; a Failure if it fails."""
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process.stdout
    if process.returncode:
        raise Failure(f"{_line(command)}: exit status {process.returncode}")


def logged(name: str, *command: str | Path, environment: dict[str, str] | None = None) -> None:
    """A long command, its output in the log of this name."""
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{name}.log"
    with log.open("w") as file:
        try:
            done = subprocess.run(
                command, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})}, check=False
            )
        except FileNotFoundError as error:
            raise Failure(f"{name}: {command[0]} is missing") from error
    if done.returncode:
        raise Failure(f"{name}: {_line(command)}: exit status {done.returncode}", log)


def _line(command: tuple[str | Path, ...]) -> str:
    line = " ".join(map(str, command))
    return line if len(line) < 300 else f"{line[:300]} …"
