"""The board as a program of its own, for a pod: `python -m atelier_board --store /store --host ::`.

`atelier board` is the same for people. Exit status: 2 on wrong input, or if the address is taken; a signal ends it.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from atelier_store import addresses
from atelier_store.layout import Store
from atelier_store.tokens import Token

from atelier_board.serve import serve

log = logging.getLogger("atelier_board")


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal; the result is the exit status of what is wrong before."""
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if not options.store.is_dir():
        log.error("--store: %s: no such folder", options.store)
        return 2
    try:
        token = Token(options.token_file) if options.token_file else None
    except (OSError, ValueError) as error:
        log.error("no token: %s", error)
        return 2
    try:
        listening = addresses.listen(options.host, options.port)
    except OSError as error:
        log.error("cannot listen on %s port %d: %s", options.host, options.port, error.strerror)
        return 2
    with listening:
        log.info("the board of %s on %s", options.store, addresses.url(options.host, listening.getsockname()[1]))
        serve(Store(options.store.absolute()), listening, options.host, token, options.cache)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("atelier_board", description="Show the searches of a store in a browser.")
    parser.add_argument("--store", required=True, type=Path, help="folder of the store; it may be read-only")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8081, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--token-file", type=Path, help="ask for the token in this file")
    parser.add_argument("--cache", type=Path, help="folder for what is known of large searches, if not in the store")
    return parser


if __name__ == "__main__":
    sys.exit(main())
