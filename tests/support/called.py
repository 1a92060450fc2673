"""A command of the server's program, called in the process of the test.

It costs a tenth of a new process. What a process alone does is tested with one: signals, limits, a kill.
"""

from __future__ import annotations

import io
import logging
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from unittest.mock import patch

from atelier_server.__main__ import main


def called(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The command's exit status and what it said, as a process of this environment would have left them."""
    output, errors = io.StringIO(), io.StringIO()
    with (
        patch.dict(os.environ, environment or {}, clear=environment is not None),
        _own_handlers(),
        redirect_stdout(output),
        redirect_stderr(errors),
    ):
        try:
            status = main(arguments)
        except SystemExit as ended:
            assert isinstance(ended.code, int), ended.code
            status = ended.code
    return subprocess.CompletedProcess(arguments, status, output.getvalue(), errors.getvalue())


@contextmanager
def _own_handlers() -> Iterator[None]:
    """Handlers of signals and of the log as they are when a process starts; afterwards those of before."""
    log, numbers = logging.getLogger(), (signal.SIGTERM, signal.SIGINT)
    handlers, level = log.handlers, log.level
    of_signals = [signal.getsignal(number) for number in numbers]
    log.handlers = []
    try:
        yield
    finally:
        log.handlers = handlers
        log.setLevel(level)
        for number, handler in zip(numbers, of_signals, strict=True):
            signal.signal(number, handler)
