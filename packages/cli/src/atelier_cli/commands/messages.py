"""What the commands print, and how an error becomes a few lines and an exit code."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer
from rich.console import Console


class Terminal(Console):
    """A console that ends the command when nobody reads it any more."""

    def on_broken_pipe(self) -> None:
        nobody_reads()


def nobody_reads() -> NoReturn:
    """End at once and without a word, as a program that SIGPIPE ends: in `atelier audit | head` nothing is wrong."""
    from atelier_store.exit_codes import ExitCode

    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())  # what is buffered is flushed at the end
    raise SystemExit(ExitCode.UNREAD)


out = Terminal(highlight=False, soft_wrap=True)
err = Terminal(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def messages() -> Iterator[None]:
    """Print every error that a user can fix as its own few lines, and exit with its code."""
    from atelier_store.errors import InvalidInput
    from atelier_store.exit_codes import ExitCode
    from atelier_store.lease import LeaseHeld, LeaseLost
    from atelier_store.winners import NothingToPromote

    from atelier_cli.errors import CannotExport, CannotReplay, CannotServe

    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    try:
        yield
    except LeaseHeld as error:
        fail([f"another run is at work on this: {error}; wait for it, or use another store"])
    except NothingToPromote as error:
        fail([f"nothing to promote: {reason}" for reason in error.reasons], code=ExitCode.FINDINGS)
    except InvalidInput as error:
        fail(error.violations)
    except (CannotExport, CannotReplay, CannotServe, LeaseLost, ValueError) as error:
        fail([str(error)])
    except OSError as error:
        reason = error.strerror or str(error)
        fail([f"{error.filename}: {reason}" if error.filename else reason])
    except KeyboardInterrupt as error:  # a search says what is left
        fail([str(error) or "Stopped. What was finished stays in the store."], code=ExitCode.INTERRUPTED)


def print_json(value: Any) -> None:
    """Print JSON on standard output, unbroken and without colours."""
    print_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def print_text(text: str) -> None:
    """Print a text for programs on standard output, as it is."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        nobody_reads()


def fail(lines: list[str], code: int | None = None) -> NoReturn:
    """Print what is wrong, and exit with this code, or as after wrong input."""
    from atelier_store.exit_codes import ExitCode

    for line in lines:
        err.print(line, markup=False, style="red")
    raise typer.Exit(ExitCode.WRONG_INPUT if code is None else code)
