"""Options and arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from atelier_cli.commands.messages import messages


def named(rule: str) -> Callable[[typer.CallbackParam, str | None], str | None]:
    """A callback for names, which become paths: a rule of `atelier_store.names`."""

    def check(option: typer.CallbackParam, name: str | None) -> str | None:
        if name is None:
            return None
        with messages():
            from atelier_store import names

            chosen: names.Rule = getattr(names, rule)
            return chosen.checked(name, where=option.opts[0])

    return check


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
    str,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Name that the model is served under.",
        show_default=False,
        callback=named("MODEL"),
    ),
]
ExperimentArgument = Annotated[
    str | None, typer.Argument(help="Its name in the store; the latest if left out.", show_default=False)
]
OutputOption = Annotated[
    Literal["table", "json"],
    typer.Option("--output", "-o", help="For people, or JSON for programs, alone on standard output."),
]
PolicyOption = Annotated[
    Literal["neverWorse", "always", "candidate", "none"] | None,
    typer.Option(help="What becomes of the best trial: promotion.policy of a profile.  [default: neverWorse]"),
]
TrialOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Serve this trial of the experiment, by its name or key.", callback=named("TRIAL")
    ),
]
VersionOption = Annotated[
    str | None, typer.Option(metavar="VERSION", help="Serve this version.", callback=named("VERSION"))
]
PreviousOption = Annotated[bool, typer.Option("--previous", help="Serve what was served before.")]
WhyOption = Annotated[
    str, typer.Option(metavar="TEXT", help="Why this one, for the model's history.", show_default=False)
]
SignOption = Annotated[
    Path | None,
    typer.Option(
        "--sign",
        metavar="KEY.pem",
        envvar="ATELIER_SIGN",
        help="Sign each version with this private key before it is there: ECDSA, P-256 for example.",
        show_default=False,
    ),
]
SignedByOption = Annotated[
    Path | None,
    typer.Option(
        "--signed-by",
        metavar="KEY.pub",
        help="Serve only what a public key in this file, or folder of files, has signed.",
        show_default=False,
    ),
]
ContextOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Context of the kubeconfig; the current one if left out.")
]
KubeconfigOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Kubeconfig; KUBECONFIG's if left out.")]
KatibNamespaceOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Namespace of Katib; the profile's if left out.", callback=named("NAMESPACE")),
]
HostOption = Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")]
DEFAULT_STORE = Path("store")
