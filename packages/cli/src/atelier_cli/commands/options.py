"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ProfileOption = Annotated[
    list[Path],
    typer.Option(
        "--values",
        "-f",
        metavar="FILE",
        help="The profile: a values file; may be repeated, later files are laid over earlier ones.",
        show_default=False,
    ),
]
SetOption = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Set a value over the profile: trainer.maxEpochs=30; may be repeated.",
        default_factory=list,
        show_default=False,
    ),
]
StoreOption = Annotated[
    Path, typer.Option("--store", metavar="FOLDER", help="Folder of trials, experiments and models.")
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="FOLDER", help="Where data files are looked for by name, and downloaded to."),
]
ModelOption = Annotated[
    str, typer.Option("--model", metavar="NAME", help="Name that the model is served under.", show_default=False)
]
ExperimentArgument = Annotated[
    str | None, typer.Argument(help="Its name in the store; the latest if left out.", show_default=False)
]
HostOption = Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")]
DEFAULT_STORE = Path("store")
