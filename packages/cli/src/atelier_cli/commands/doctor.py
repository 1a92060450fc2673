"""The command that checks a cluster before an installation, and a release after it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from atelier_cli.commands.messages import err, fail, messages, out, print_json
from atelier_cli.commands.options import (
    ContextOption,
    KatibNamespaceOption,
    KubeconfigOption,
    OutputOption,
    SetOption,
    named,
)


def doctor(
    set_: SetOption,
    values: Annotated[
        list[Path],
        typer.Option(
            "--values",
            "-f",
            metavar="FILE",
            help="The profile to be installed; without it, what every one needs. May be repeated, later files are laid"
            " over earlier ones.",
            default_factory=list,
            show_default=False,
        ),
    ],
    namespace: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Namespace to install into; the context's if left out.", callback=named("NAMESPACE")
        ),
    ] = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    katib_namespace: KatibNamespaceOption = None,
    release: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Release to examine; the only one in the namespace if left out."),
    ] = None,
    output: OutputOption = "table",
) -> None:
    """Check a cluster before and a release after an installation: what is missing, and the command that fixes it."""
    with messages():
        from atelier_store.exit_codes import ExitCode

        from atelier_cli.doctor.cluster import connect
        from atelier_cli.doctor.examination import examine
        from atelier_cli.profile import load
        from atelier_cli.show.diagnoses import diagnoses

        if set_ and not values:
            fail([f"--set {set_[0]}: there is no profile to lay it over; name one with -f FILE"])
        profile = load(values, set_, laptop=False) if values else None
        cluster = connect(kubeconfig, context, namespace)
        with err.status(f"asking {escape(cluster.server)} …"):
            results = examine(cluster, profile, katib_namespace, release)
        counts = Counter(diagnosis.result for diagnosis in results)
        code = ExitCode.FINDINGS if counts["missing"] else ExitCode.OK
        if output == "json":
            checks = [asdict(diagnosis) for diagnosis in results]
            print_json({"context": cluster.context, "namespace": cluster.namespace, "checks": checks})
            raise typer.Exit(code)
        out.print(f"Context [bold]{escape(cluster.context)}[/], namespace [bold]{escape(cluster.namespace)}[/]")
        out.print(diagnoses(results))
        out.print(f"\nok: {counts['ok']}, warnings: {counts['warning']}, missing: {counts['missing']}")
        raise typer.Exit(code)
