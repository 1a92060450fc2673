"""Commands that write a search in the form of other tools."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from atelier_cli.commands.messages import err, fail, messages, out, print_text
from atelier_cli.commands.options import DEFAULT_STORE, ExperimentArgument, StoreOption
from atelier_cli.commands.store import check_store, experiment_paths

if TYPE_CHECKING:
    from atelier_store.layout import Store
    from atelier_store.spec import Spec

    from atelier_cli.export.trials import Trial

INSTALL = "uv sync --package atelier-cli --extra laptop"
FileOption = Annotated[
    Path | None,
    typer.Option("--file", metavar="FILE", help="Where to; standard output if left out.", show_default=False),
]

export = typer.Typer(no_args_is_help=True, help="Write a search for other tools: a table, an Optuna study, MLflow.")


@export.command()
def csv(experiment: ExperimentArgument = None, store: StoreOption = DEFAULT_STORE, file: FileOption = None) -> None:
    """All trials as CSV: parameters, metrics, status, cost, key, reason."""
    with messages():
        from atelier_cli.export.tables import as_csv

        _, spec, trials = _read(store, experiment)
        _write(as_csv(trials, spec.experiment.objective.objective_metric_name), file)


@export.command()
def jsonl(experiment: ExperimentArgument = None, store: StoreOption = DEFAULT_STORE, file: FileOption = None) -> None:
    """All trials as lines of JSON: the same, with their curves."""
    with messages():
        from atelier_cli.export.tables import as_json_lines

        _, spec, trials = _read(store, experiment)
        _write(as_json_lines(trials, spec.experiment.objective.objective_metric_name), file)


@export.command()
def optuna(experiment: ExperimentArgument = None, store: StoreOption = DEFAULT_STORE, file: FileOption = None) -> None:
    """A study in a journal file, for optuna-dashboard and optuna.load_study."""
    if find_spec("optuna") is None:
        fail([f"not installed: optuna; in a checkout of this project: {INSTALL}"])
    with messages():
        from atelier_cli.export.study import journal

        _, spec, trials = _read(store, experiment)
        _write(journal(spec, trials), file)


@export.command()
def mlflow(
    tracking_uri: Annotated[
        str,
        typer.Option(
            "--tracking-uri",
            metavar="URL",
            envvar="MLFLOW_TRACKING_URI",
            help="Address of the MLflow server. MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and _PASSWORD, "
            "give access to it.",
            show_default=False,
        ),
    ],
    experiment: ExperimentArgument = None,
    store: StoreOption = DEFAULT_STORE,
    mlflow_experiment: Annotated[
        str | None,
        typer.Option(
            "--mlflow-experiment",
            metavar="NAME",
            help="Its experiment there; the name in the profile if left out.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Runs of an MLflow server: the search, and its trials below it. Sent again, only what has changed."""
    with messages():
        from atelier_cli.export.mlflow import export as send

        place, spec, trials = _read(store, experiment)
        with err.status("exporting …") as status:

            def show(trial: str) -> None:
                status.update(f"exporting {escape(trial)}")

            sent = send(tracking_uri, mlflow_experiment or spec.experiment.name, place, spec, trials, show)
        out.print(f"{spec.experiment_name}: {sent.new} runs new, {sent.changed} changed, {sent.same} there already")


def _read(store: Path, experiment: str | None) -> tuple[Store, Spec, list[Trial]]:
    """The store, the spec of the experiment, and its trials."""
    from atelier_store.layout import Store
    from atelier_store.spec import Spec

    from atelier_cli.export.trials import trials

    check_store(store)
    place = Store(store.absolute())
    spec = Spec.read(experiment_paths(place, experiment).spec)
    return place, spec, trials(place, spec)


def _write(text: str, file: Path | None) -> None:
    """Write to a file, whole or not at all, or to standard output."""
    from atelier_store.files import write_text

    if file is None:
        print_text(text)
    else:
        write_text(file, text)
        err.print(f"written: {escape(str(file))}")
