"""The `atelier` command.

Exit codes: 0 done; 1 nothing to promote, a replay that differs, an audit with findings, a cluster that lacks something; 2 wrong input;
3 too many trials failed; 130 interrupted.
"""

from __future__ import annotations

import logging
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from atelier_server.promotion.promote import promote_best
from atelier_store.audit import audit as audit_store
from atelier_store.layout import ExperimentPaths, Store
from atelier_store.lease import LeaseHeld, LeaseLost
from atelier_store.promotion import NothingToPromote, Promoted
from atelier_store.ranking import rank
from atelier_store.records import DataDescription
from atelier_store.spec import Spec
from atelier_trial.data import DataError
from rich.console import Console
from rich.markup import escape

from atelier_cli.profile.load import InvalidProfile, Profile, load
from atelier_cli.search.engine import Engine, Interrupted, Totals
from atelier_cli.search.replay import CannotReplay
from atelier_cli.search.replay import replay as replay_trial
from atelier_cli.serving import NotServing, check_free, predict_samples, serving
from atelier_cli.show import tables
from atelier_cli.show.progress import SearchDisplay, duration

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Neural architecture search that ends with a served, verified model.",
)
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

ProfileOption = Annotated[
    Path, typer.Option("--values", "-f", metavar="FILE", help="The profile: a values file.", show_default=False)
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
PortOption = Annotated[int | None, typer.Option(help="Port to listen on; the profile's if left out.", min=1, max=65535)]
DEFAULT_STORE = Path("store")


@app.command()
def up(
    values: ProfileOption,
    set_: SetOption,
    store: StoreOption = DEFAULT_STORE,
    data_dir: DataOption = None,
    host: HostOption = "127.0.0.1",
    port: PortOption = None,
    serve: Annotated[bool, typer.Option(help="Keep serving; otherwise end after the predictions.")] = True,
) -> None:
    """Search, promote the best, ask it for predictions over HTTP, and serve it. Run again, it goes on where it was."""
    with messages():
        profile, place = load(values, set_), Store(store.absolute())
        port = port or profile.values["server"]["port"]
        check_free(host, port)  # now rather than after an hour of search
        description = _search(profile, place, data_dir)
        _show_promoted(promote_best(place, profile.spec.experiment_name, profile.model), profile.model)
        with serving(place, profile.model, host, port) as (address, process):
            out.print(tables.predictions(predict_samples(address, place, description)))
            out.print(f"\nServing [bold]{profile.model}[/] at {address}  (documentation: {address}/docs)")
            out.print(f"Store: {escape(str(place.root))}")
            if serve:
                out.print("Ctrl-C ends it.")
                try:
                    raise NotServing(f"the server ended with exit code {process.wait()}; its message is above")
                except KeyboardInterrupt:
                    out.print("Stopped.")


@app.command()
def search(
    values: ProfileOption, set_: SetOption, store: StoreOption = DEFAULT_STORE, data_dir: DataOption = None
) -> None:
    """Search only; a finished search answers from its store."""
    with messages():
        _search(load(values, set_), Store(store.absolute()), data_dir)


@app.command()
def leaderboard(
    experiment: ExperimentArgument = None,
    store: StoreOption = DEFAULT_STORE,
    all_: Annotated[bool, typer.Option("--all", help="Show every trial.")] = False,
) -> None:
    """Show how the trials of an experiment rank."""
    with messages():
        place = Store(store.absolute())
        spec = Spec.read(_experiment(place, experiment).spec)
        out.print(tables.leaderboard(rank(place, spec), most=sys.maxsize if all_ else 10))


@app.command()
def promote(model: ModelOption, experiment: ExperimentArgument = None, store: StoreOption = DEFAULT_STORE) -> None:
    """Verify the best trial of an experiment, score it on the test set and put the model's pointer on it."""
    with messages():
        place = Store(store.absolute())
        _show_promoted(promote_best(place, _experiment(place, experiment).folder.name, model), model)


@app.command()
def serve(
    model: ModelOption, store: StoreOption = DEFAULT_STORE, host: HostOption = "127.0.0.1", port: PortOption = 8000
) -> None:
    """Serve what is promoted, now and later."""
    from atelier_server.__main__ import main as server

    with messages():
        place = ["--store", str(store.absolute()), "--model", model]
        raise typer.Exit(server(["serve", *place, "--host", host, "--port", str(port or 8000)]))


@app.command()
def replay(
    key: Annotated[str, typer.Argument(help="The trial's key: 16 hex digits.")], store: StoreOption = DEFAULT_STORE
) -> None:
    """Train a trial again from nothing, elsewhere, and compare every tensor of the model it gave."""
    with (
        messages(),
        tempfile.TemporaryDirectory(prefix="atelier-replay-") as scratch,
        err.status(f"training {escape(key)} again …"),
    ):
        found = replay_trial(Store(store.absolute()), key, Store(Path(scratch)))
        for name, (before, now) in found.environment.items():
            out.print(f"environment: {name} was {before}, is {now}", markup=False, style="yellow")
        for name in found.different:
            before, now = (digests.get(name, "missing")[:16] for digests in (found.stored, found.again))
            out.print(f"{name}: {before} stored, {now} again", markup=False, style="red")
        out.print(f"{len(found.stored)} tensors compared, {len(found.different)} differ")
    raise typer.Exit(1 if found.different else 0)


@app.command()
def audit(store: StoreOption = DEFAULT_STORE) -> None:
    """Hash everything in a store again and name what is not as it was written."""
    with messages():
        place = Store(_existing(store))
        with err.status("hashing …") as status:
            found = audit_store(
                place, lambda path: status.update(f"hashing {escape(str(path.relative_to(place.root)))}")
            )
        for finding in found.findings:
            out.print(f"[red]{escape(str(finding.path.relative_to(place.root)))}[/]: {escape(finding.problem)}")
        counts = ", ".join(f"{count} {name}" for name, count in found.checked.items())
        unfinished = (
            f"; {len(found.leftovers)} unfinished files of processes that were killed" if found.leftovers else ""
        )
        out.print(f"{counts} hashed: {len(found.findings)} do not match{unfinished}")
    raise typer.Exit(1 if found.findings else 0)


@app.command()
def doctor(
    set_: SetOption,
    values: Annotated[
        Path | None,
        typer.Option(
            "--values", "-f", metavar="FILE", help="The profile to be installed; without it, what every one needs."
        ),
    ] = None,
    namespace: Annotated[
        str | None, typer.Option(metavar="NAME", help="Namespace to install into; the context's if left out.")
    ] = None,
    context: Annotated[
        str | None, typer.Option(metavar="NAME", help="Context of the kubeconfig; the current one if left out.")
    ] = None,
    kubeconfig: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Kubeconfig; KUBECONFIG's if left out.")
    ] = None,
    katib_namespace: Annotated[
        str | None, typer.Option(metavar="NAME", help="Namespace of Katib; the profile's if left out.")
    ] = None,
) -> None:
    """Look at a cluster before an installation: what is missing, and the command that mends it."""
    from atelier_cli.doctor.cluster import connect
    from atelier_cli.doctor.examination import examine

    with messages():
        if set_ and values is None:
            refuse([f"--set {set_[0]}: there is no profile to lay it over; say one with -f FILE"])
        profile = load(values, set_, laptop=False) if values else None
        cluster = connect(kubeconfig, context, namespace)
        with err.status(f"asking {escape(cluster.server)} …"):
            found = examine(cluster, profile, katib_namespace)
        out.print(f"Context [bold]{escape(cluster.context)}[/], namespace [bold]{escape(cluster.namespace)}[/]")
        out.print(tables.diagnoses(found))
        counts = Counter(one.result for one in found)
        out.print(f"\nok: {counts['ok']}, warnings: {counts['warning']}, missing: {counts['missing']}")
    raise typer.Exit(1 if counts["missing"] else 0)


def _search(profile: Profile, store: Store, data_dir: Path | None) -> DataDescription:
    spec = profile.spec
    totals = Totals()
    with SearchDisplay(spec, totals, out) as display:
        engine = Engine(spec, store, display, totals, data_dir)
        with err.status("preparing the data …") if not out.is_terminal else nullcontext():
            description = engine.prepare()
        rows = f"{description.train_rows:,} rows to learn from, {description.test_rows:,} to test"
        out.print(
            f"[bold]{spec.experiment_name}[/]: {spec.experiment.max_trial_count} trials of {escape(description.source)} ({rows})"
        )
        out.print(
            f"{engine.parallel} at a time, {spec.experiment.algorithm.algorithm_name}; store: {escape(str(store.root))}"
        )
        engine.search(description)
    done = (
        f"{totals.trials} trials in {duration(totals.seconds)}: {totals.reused} found trained, {totals.failed} failed"
    )
    out.print(f"{done}; {totals.epochs_trained} epochs trained, {display.saved()} saved by stopping early")
    board = rank(store, spec)
    board.write(store.experiment(spec.experiment_name).leaderboard)
    out.print(tables.leaderboard(board))
    if totals.gave_up:
        most = f"experiment.maxFailedTrialCount is {spec.experiment.max_failed_trial_count}"
        refuse(
            [f"failed trials: {totals.failed}, and {most}: the search ended early; reasons are on the leaderboard"],
            code=3,
        )
    return description


def _show_promoted(done: Promoted, model: str) -> None:
    promotion, manifest = done.promotion, done.manifest
    words = "Promoted" if done.is_new else "Promoted already:"
    out.print(f"\n{words} [bold]{model}[/] version {promotion.version} (trial {promotion.trial}, key {promotion.key})")
    out.print(f"  {escape(manifest.architecture)}")
    out.print(f"  {manifest.params:,} parameters, {manifest.macs:,} MACs, {manifest.latency.p50_ms:.2f} ms")
    out.print(f"  validation: {_scores(manifest.metrics)}")
    tested = (
        f"{_scores(promotion.test_metrics)}, {promotion.test_rows:,} rows" if promotion.test_metrics else "no test set"
    )
    out.print(f"  test:       {tested}")


def _scores(metrics: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())


def _experiment(store: Store, name: str | None) -> ExperimentPaths:
    """The experiment of this name, or the one worked on last."""
    known = {paths.folder.name: paths for paths in store.experiments() if paths.spec.exists()}
    if name is not None and name in known:
        return known[name]
    if name is not None or not known:
        refuse([f"{store.root} has no experiment{f' {name!r}' if name else ''}; it has: {', '.join(known) or 'none'}"])
    return max(known.values(), key=lambda paths: paths.spec.stat().st_mtime)


def _existing(store: Path) -> Path:
    if not store.is_dir():
        refuse([f"--store: {store}: no such folder"])
    return store.absolute()


@contextmanager
def messages() -> Iterator[None]:
    """Every error that a user can mend, as its own few lines and an exit code."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    try:
        yield
    except (InvalidProfile, DataError) as error:
        refuse(error.violations)
    except LeaseHeld as error:
        refuse([f"another run is at work on this: {error}; wait for it, or use another store"])
    except NothingToPromote as error:
        refuse([f"nothing to promote: {reason}" for reason in error.reasons], code=1)
    except (CannotReplay, NotServing, LeaseLost, ValueError) as error:
        refuse([str(error)])
    except OSError as error:
        refuse([f"{error.filename or 'the store'}: {error.strerror or error}"])
    except Interrupted:
        refuse(["Stopped. Every trial is checkpointed; the same command goes on from here."], code=130)
    except KeyboardInterrupt:
        refuse(["Stopped. What was finished stays in the store."], code=130)


def refuse(lines: list[str], code: int = 2) -> NoReturn:
    """Say what is wrong and end."""
    for line in lines:
        err.print(line, markup=False, style="red")
    raise typer.Exit(code)


def main() -> None:
    """Run the command line; SIGTERM ends it as Ctrl-C does, so that no process of its own is left behind."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app(prog_name="atelier")


if __name__ == "__main__":
    main()
