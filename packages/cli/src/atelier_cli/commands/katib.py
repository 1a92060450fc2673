"""The command for who administers a cluster's Katib."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from atelier_cli.commands.messages import err, fail, messages, out
from atelier_cli.commands.options import ContextOption, KatibNamespaceOption, KubeconfigOption, SetOption

katib = typer.Typer(no_args_is_help=True)


@katib.callback()
def options() -> None:
    """Change the Katib of a cluster, as its administrator."""


@katib.command()
def register(
    set_: SetOption,
    values: Annotated[
        list[Path],
        typer.Option(
            "--values",
            "-f",
            metavar="FILE",
            help="The profile whose trainer.image it is; without it, the chart's. May be repeated.",
            default_factory=list,
            show_default=False,
        ),
    ],
    image: Annotated[str, typer.Option(metavar="IMAGE", help="Another image of the trainer.", show_default=False)] = "",
    namespace: KatibNamespaceOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the algorithm out again.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
) -> None:
    """Register this project's suggestion service, the algorithm atelier, in katib-config: once for a cluster."""
    with messages():
        import httpx2

        from atelier_cli.doctor import registration
        from atelier_cli.doctor.cluster import connect
        from atelier_cli.profile import chart_defaults, load

        if set_ and not values:
            fail([f"--set {set_[0]}: there is no profile to lay it over; name one with -f FILE"])
        if remove and image:
            fail([f"--image {image}: is not needed with --remove"])
        said = load(values, set_, laptop=False).values if values else chart_defaults()
        where = namespace or said["katib"]["namespace"]
        cluster = connect(kubeconfig, context, where)
        image = image or registration.image_of(said)
        wanted = None if remove else registration.entry(image, said["trainer"]["image"]["pullPolicy"])
        try:
            change = registration.plan(cluster, where, wanted)
            if change.diff:
                out.print(change.diff, end="", markup=False)
                registration.check_right(cluster, where)
            if change.diff and not dry_run:
                registration.make(cluster, change)
        except httpx2.HTTPStatusError as error:
            fail([f"{cluster.server}: {error}"])
        except httpx2.TransportError as error:
            fail([f"{cluster.server} does not answer: {error}"])
        place = escape(f"katib-config of namespace {where}")
        if not change.diff:
            out.print(f"Nothing to change: {'atelier is not in' if remove else f'{escape(image)} is in'} {place}")
        elif dry_run:
            err.print("Nothing was changed, because of --dry-run.")
        elif remove:
            out.print(f"Removed: atelier from {place}. Searches that it runs get no further trials.")
        else:
            out.print(f"Registered: atelier, by {escape(image)}, in {place}. Katib reads it at its next use.")
