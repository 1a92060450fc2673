"""The server's commands: serve, wait, promote and check.

Exit status: 0 done, or the policy refused; 1 the search failed, nothing could be promoted or a check failed; 2 wrong
input; after a signal 128 plus its number.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from atelier_store import names
from atelier_store.layout import ModelPaths, Store
from atelier_store.records import DEFAULT_POLICY, Policy

from atelier_server import arguments
from atelier_server.workers import collector
from atelier_server.workers.settings import Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the result is the exit status."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.run is _promote and (options.experiment is None) == (options.version is None):
        parser.error("promote needs --experiment or --version, and not both")
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
    Settings.add_options(serve)

    wait = commands.add_parser("wait", help="wait until Katib's Experiment has succeeded or failed")
    wait.set_defaults(run=_wait)
    wait.add_argument(
        "--timeout", type=arguments.number(1, 31_536_000), required=True, help="seconds after which it has failed"
    )
    wait.add_argument(
        "--poll-interval",
        type=arguments.seconds,
        default=5.0,
        help="seconds between looks at it (default: %(default)s)",
    )

    promote = commands.add_parser(
        "promote", help="verify the best trial of an experiment, or a version, and promote it"
    )
    promote.set_defaults(run=_promote)
    promote.add_argument(
        "--policy",
        choices=get_args(Policy),
        default=DEFAULT_POLICY,
        help="what becomes of the best trial (default: %(default)s)",
    )
    promote.add_argument(
        "--version",
        type=arguments.named(names.VERSION),
        help="serve this version, as a person has chosen",
    )
    promote.add_argument("--why", default="", help="with --version: why this one, for the model's history")
    promote.add_argument(
        "--held",
        metavar="VERSION",
        type=arguments.named(names.VERSION),
        help="a version that a person wants to be served: the best trial only waits",
    )
    promote.add_argument(
        "--sign", type=Path, metavar="KEY", help="private key (ECDSA, PEM) that signs each version before it is there"
    )
    compared = "also tell what Katib's Experiment in this namespace would have chosen"
    promote.add_argument("--namespace", type=arguments.named(names.NAMESPACE), help=compared)
    wait.add_argument(
        "--namespace", type=arguments.named(names.NAMESPACE), required=True, help="where the Experiment is"
    )

    check = commands.add_parser(
        "check", help="ask a running server whether it is ready and answers as the model did when it was trained"
    )
    check.set_defaults(run=_check)
    check.add_argument("--url", required=True, help="where the server is, for example http://127.0.0.1:8000")
    check.add_argument("--token-file", type=Path, help="send the bearer token in this file")

    for command in (wait, promote):
        command.add_argument(
            "--experiment",
            required=command is wait,
            type=arguments.named(names.EXPERIMENT),
            help="name of its folder in the store, and Katib's for it",
        )
    for command in (serve, wait, promote, check):
        command.add_argument("--store", required=True, type=Path, help="folder of the store")
        command.add_argument("--model", required=True, type=arguments.named(names.MODEL), help="name to serve it under")
    return parser


def _serve(options: argparse.Namespace) -> int:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's own threads would only take memory here
    with tempfile.TemporaryDirectory(prefix="atelier-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # read when Prometheus' client is imported
        with collector.off_during_imports():
            from atelier_server.workers import serve

        return serve.serve(Settings.of(_paths(options), options))


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
    store = Store(options.store)
    if options.version is not None:
        return promote.choose(store, options.model, options.version, options.why, options.sign)
    return promote.run(
        store, options.experiment, options.model, options.policy, options.held, options.namespace, options.sign
    )


def _check(options: argparse.Namespace) -> int:
    from atelier_server import check

    return check.run(_paths(options), options.url, options.token_file)


def _paths(options: argparse.Namespace) -> ModelPaths:
    return Store(options.store).model(options.model)


def _end_on_signals() -> None:
    """Handle what would not end the first process of a container, which ignores signals without a handler."""
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda number, _: sys.exit(128 + number))


if __name__ == "__main__":
    sys.exit(main())
