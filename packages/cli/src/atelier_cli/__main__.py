"""The `atelier` command.

Exit codes: 0 success; 1 nothing to promote, a replay that differs, an audit with findings, a cluster that lacks
something; 2 wrong input; 3 too many trials failed; 130 interrupted.
"""

from __future__ import annotations

import signal

import typer

from atelier_cli.commands import doctor, laptop, store

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Neural architecture search that ends with a served, verified model.",
)
for command in (
    laptop.up,
    laptop.search,
    store.leaderboard,
    laptop.promote,
    store.versions,
    laptop.serve,
    laptop.replay,
    store.audit,
    doctor.doctor,
):
    app.command()(command)


def main() -> None:
    """Run the command line; SIGTERM ends it as Ctrl-C does, so that it leaves no process behind."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app(prog_name="atelier")


if __name__ == "__main__":
    main()
