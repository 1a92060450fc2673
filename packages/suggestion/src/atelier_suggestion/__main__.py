"""The program of the suggestion pod: `python -m atelier_suggestion`."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Sequence

from atelier_store.exit_codes import ExitCode

from atelier_suggestion.service import PORT, server

GRACE = 10.0
"""Seconds that a decision under way gets after SIGTERM."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; the exit code, as atelier_store.exit_codes has it."""
    command = argparse.ArgumentParser(
        prog="atelier_suggestion",
        description="Katib's algorithm atelier: suggests trials, from Katib's requests alone.",
    )
    command.add_argument("--port", type=int, default=PORT, help=f"default: {PORT}, where Katib asks")
    options = command.parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        made, port = server(f"[::]:{options.port}")
    except RuntimeError as error:
        sys.stderr.write(f"--port: {options.port}: {error}\n")
        return ExitCode.WRONG_INPUT
    made.start()
    logging.getLogger("atelier.suggestion").info("listening on port %d", port)
    stop.wait()
    made.stop(GRACE).wait()
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
