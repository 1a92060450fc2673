"""The server's commands: serve, wait, promote and check.

Exit status: 0 done, 1 the search failed, nothing could be promoted or a check found something, 2 wrong input; ended by a signal: 128 and
its number.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from atelier_store import machine
from atelier_store.layout import Store

from atelier_server.models import names

MEBIBYTE = 2**20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the result is the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=options.log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    run: int = options.run(options)
    return run


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "atelier_server", description="Serve a promoted model, promote one, or wait until one can be."
    )
    parser.add_argument("--log-level", choices=["debug", "info", "warning", "error"], default="info")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="answer predictions with the model that is promoted")
    serve.set_defaults(run=_serve)
    serve.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s, this machine only)"
    )
    serve.add_argument("--port", type=_number(0, 65535), default=8000, help="0 takes a free one (default: %(default)s)")
    serve.add_argument(
        "--metrics-port",
        type=_number(0, 65535),
        default=0,
        help="for /metrics alone; 0: the same (default: %(default)s)",
    )
    serve.add_argument(
        "--workers", type=_number(1, 256), default=machine.cores(), help="processes (default: the cores)"
    )
    serve.add_argument(
        "--max-body-mib", type=_number(1, 1024), default=16, help="largest request (default: %(default)s)"
    )
    serve.add_argument(
        "--poll-interval",
        type=_seconds,
        default=1.0,
        help="seconds between looks at the pointer (default: %(default)s)",
    )
    serve.add_argument(
        "--deadline", type=_seconds, default=30.0, help="seconds a request may take (default: %(default)s)"
    )
    serve.add_argument(
        "--max-requests", type=_number(1, 100_000), default=256, help="under way in a worker (default: %(default)s)"
    )
    serve.add_argument(
        "--cache-mib",
        type=_number(0, 1_000_000),
        default=256,
        help="for other models, per worker (default: %(default)s)",
    )
    serve.add_argument(
        "--hang-after", type=_seconds, default=10.0, help="seconds until a worker has hung (default: %(default)s)"
    )
    serve.add_argument("--grace", type=_number(0, 3600), default=25, help="seconds to finish in (default: %(default)s)")
    serve.add_argument("--token-file", type=Path, help="ask for the bearer token in this file")
    serve.add_argument("--access-log", action="store_true", help="log every request as JSON on standard output")

    wait = commands.add_parser("wait", help="wait until Katib's Experiment has succeeded or failed")
    wait.set_defaults(run=_wait)
    wait.add_argument("--timeout", type=_number(1, 31_536_000), required=True, help="seconds after which it has failed")
    wait.add_argument(
        "--poll-interval", type=_seconds, default=5.0, help="seconds between looks at it (default: %(default)s)"
    )

    promote = commands.add_parser("promote", help="verify and promote the best trial of an experiment")
    promote.set_defaults(run=_promote)
    compared = "also tell what Katib's Experiment in this namespace would have chosen"
    promote.add_argument("--namespace", type=_namespace, help=compared)
    wait.add_argument("--namespace", type=_namespace, required=True, help="where the Experiment is")

    check = commands.add_parser(
        "check", help="ask a running server whether it is ready and answers as the model did when it was trained"
    )
    check.set_defaults(run=_check)
    check.add_argument("--url", required=True, help="where the server is, for example http://127.0.0.1:8000")
    check.add_argument("--token-file", type=Path, help="send the bearer token in this file")

    for command in (wait, promote):
        command.add_argument("--experiment", required=True, help="name of its folder in the store, and Katib's for it")
    for command in (serve, wait, promote, check):
        command.add_argument("--store", required=True, type=Path, help="folder of the store")
        command.add_argument("--model", required=True, type=_name, help="name to serve it under")
    return parser


def _serve(options: argparse.Namespace) -> int:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's own threads would only take memory here
    with tempfile.TemporaryDirectory(prefix="atelier-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # read when Prometheus' client is imported
        gc.disable()  # nothing that is imported is garbage: to look for some takes a tenth of the start
        from atelier_server.workers import serve
        from atelier_server.workers.settings import Settings

        gc.enable()

        return serve.serve(
            Settings(
                paths=Store(options.store).model(options.model),
                host=options.host,
                port=options.port,
                metrics_port=options.metrics_port,
                workers=options.workers,
                max_body=options.max_body_mib * MEBIBYTE,
                max_requests=options.max_requests,
                deadline=options.deadline,
                cache=options.cache_mib * MEBIBYTE,
                poll_interval=options.poll_interval,
                hang_after=options.hang_after,
                grace=options.grace,
                token_file=options.token_file,
                access_log=options.access_log,
            )
        )


def _wait(options: argparse.Namespace) -> int:
    from atelier_server.promotion import wait

    _end_on_signals()
    return wait.run(
        Store(options.store),
        options.experiment,
        options.model,
        namespace=options.namespace,
        timeout=options.timeout,
        every=options.poll_interval,
    )


def _promote(options: argparse.Namespace) -> int:
    from atelier_server.promotion import promote

    _end_on_signals()
    return promote.run(Store(options.store), options.experiment, options.model, options.namespace)


def _check(options: argparse.Namespace) -> int:
    from atelier_server import check

    return check.run(Store(options.store).model(options.model), options.url, options.token_file)


def _end_on_signals() -> None:
    """A container's first process is not ended by a signal that it does not handle."""
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda number, _: sys.exit(128 + number))


def _name(text: str) -> str:
    if not names.MODEL.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r}: lower-case letters, digits, '.', '_' and '-' only, at most 63")
    return text


def _namespace(text: str) -> str:
    if not names.NAMESPACE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r}: lower-case letters, digits and '-' only, at most 63")
    return text


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.01 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a number of seconds, 0.01 to 3600")
    return seconds


def _number(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number, {least} to {most}")
        return int(text)

    return parse


if __name__ == "__main__":
    sys.exit(main())
