"""The `atelier` command; `atelier_store.exit_codes` says how it ends."""

from __future__ import annotations

import io
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from atelier_cli.commands import doctor, export, katib, laptop, report, store
from atelier_cli.commands.messages import messages, out

LOOPBACK = "localhost,127.0.0.1,::1"

app = typer.Typer(
    no_args_is_help=True,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    """Neural architecture search that ends with a served, verified model."""
    if version:
        from importlib import metadata  # `--help` starts faster without it

        with messages():
            out.print(f"atelier {metadata.version('atelier-cli')}")
        raise typer.Exit


for command in (
    laptop.data,
    laptop.up,
    laptop.search,
    store.experiments,
    store.leaderboard,
    store.board,
    report.report,
    store.compare,
    laptop.promote,
    store.versions,
    laptop.serve,
    laptop.replay,
    store.audit,
    store.sign,
    doctor.doctor,
):
    app.command()(command)
app.add_typer(export.export, name="export")
app.add_typer(katib.katib, name="katib")


def main() -> None:
    """Run the command line; SIGTERM ends it as Ctrl-C does, so that it leaves no process behind."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    prepare_environment()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # in a locale that cannot write a name, its characters are escaped
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="atelier")


def prepare_environment() -> None:
    """What this process and all that it starts need, wherever it is run.

    A network of one's own is found in the working directory, but after everything else: a token.py there is not
    Python's. A proxy is not asked for this machine, as kubectl and browsers do not; a lone * says so of every machine.
    """
    os.environ["PYTHONSAFEPATH"] = "1"
    with suppress(OSError):  # a folder that is gone has no modules
        sys.path.append(str(Path.cwd()))
    others = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    if others != "*":
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = f"{others},{LOOPBACK}" if others else LOOPBACK


if __name__ == "__main__":
    main()
