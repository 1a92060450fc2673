"""Programs that are run to their end."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from .layout import LOGS
from .steps import Failure


def output(*command: str | Path, stdin: str | None = None, seconds: float = 120, log: Path | None = None) -> str:
    """What a command prints; a Failure with what it complains of if it fails."""
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=seconds, check=False)
    except FileNotFoundError as error:
        raise Failure(f"{command[0]} is missing", log) from error
    except subprocess.TimeoutExpired as error:
        raise Failure(f"{_line(command)}: no end within {seconds:.0f} s", log) from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise Failure(f"{_line(command)}: exit status {done.returncode}\n{said}", log)
    return done.stdout


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
