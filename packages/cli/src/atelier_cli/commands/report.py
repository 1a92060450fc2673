"""The command that writes the board's views of a search to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from atelier_cli.commands.messages import err, messages
from atelier_cli.commands.options import DEFAULT_STORE, ExperimentArgument, StoreOption
from atelier_cli.commands.store import check_store, experiment_paths, need_the_board


def report(
    experiment: ExperimentArgument = None,
    store: StoreOption = DEFAULT_STORE,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to.")] = Path("report.html"),
) -> None:
    """Write the board of one search to a file: it opens from a disk, and is read without a script, too."""
    need_the_board()
    with messages():
        from atelier_board import report as board
        from atelier_store.files import write_text
        from atelier_store.layout import Store

        check_store(store)
        place = Store(store.absolute())
        name = experiment_paths(place, experiment).folder.name
        write_text(output, board.of_search(place, name))
        err.print(f"written: {escape(str(output))}")
