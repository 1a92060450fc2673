"""Commands that train, promote or serve on this machine; they need the extra `laptop`: the trainer and the server."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from atelier_cli.commands.messages import err, fail, messages, out, print_json
from atelier_cli.commands.options import (
    DEFAULT_STORE,
    DataOption,
    ExperimentArgument,
    HostOption,
    ModelOption,
    OutputOption,
    PolicyOption,
    PreviousOption,
    ProfileOption,
    SetOption,
    SignedByOption,
    SignOption,
    StoreOption,
    TrialOption,
    VersionOption,
    WhyOption,
    named,
)
from atelier_cli.show.numbers import score

if TYPE_CHECKING:
    from atelier_store.layout import Store
    from atelier_store.promotion import Promoted
    from atelier_store.records import DataDescription

    from atelier_cli.profile import Profile

PARTS = ("atelier_trainer", "atelier_server")
INSTALL = "uv sync --package atelier-cli --extra laptop"

PortOption = Annotated[int | None, typer.Option(help="Port to listen on; the profile's if left out.", min=1, max=65535)]


@contextmanager
def on_this_machine() -> Iterator[None]:
    """`messages` for a command that needs the trainer and the server; without them it says how to install them."""
    lacking = [part.replace("_", "-") for part in PARTS if find_spec(part) is None]
    if lacking:
        fail([f"not installed: {', '.join(lacking)}; in a checkout of this project: {INSTALL}"])
    with messages():
        yield


def up(
    values: ProfileOption,
    set_: SetOption,
    store: StoreOption = DEFAULT_STORE,
    data_dir: DataOption = None,
    host: HostOption = "127.0.0.1",
    port: PortOption = None,
    serve: Annotated[bool, typer.Option(help="Keep serving; otherwise end after the predictions.")] = True,
    sign: SignOption = None,
) -> None:
    """Search, promote the best, ask it for predictions over HTTP, and serve it. Run again, it goes on where it was."""
    with on_this_machine():
        from atelier_server.promotion.promote import promoter
        from atelier_store.layout import Store
        from atelier_trial.own_metrics import for_promotion

        from atelier_cli.errors import CannotServe
        from atelier_cli.profile import load
        from atelier_cli.serving import check_free, predict_samples, serving
        from atelier_cli.show.predictions import predictions

        place = Store(store.absolute())
        profile = load(values, set_, store=place)
        port = port or profile.values["server"]["port"]
        check_free(host, port)  # now rather than after an hour of search
        promotes, promotion = promoter(place.model(profile.model), sign, for_promotion), profile.values["promotion"]
        held = promotion["version"] or None
        if held is not None:
            files = ", ".join(file.name for file in values)
            promotes.version(held, why=f"promotion.version of {files}")
        description = _search(profile, place, data_dir)
        done = promotes.best(profile.spec.experiment_name, promotion["policy"], held)
        _leaves_report(place, profile.spec.experiment_name)  # again, with where the winner errs
        _show_promoted(place, done, profile.model)
        if done.served is None:
            out.print("Nothing is served yet.")
            return
        with serving(place, profile.model, host, port) as (address, process):
            if done.is_served:  # another version may take other inputs than these data have
                out.print(predictions(predict_samples(address, place, description)))
            if serve:
                out.print(f"\nServing [bold]{profile.model}[/] at {address}  (documentation: {address}/docs)")
                out.print(f"Store: {escape(str(place.root))}")
                out.print("Ctrl-C ends it.")
                try:
                    raise CannotServe(f"the server ended with exit code {process.wait()}; its message is above")
                except KeyboardInterrupt:
                    out.print("Stopped.")
        if not serve:
            out.print(f"\nNot serving any more. Store: {escape(str(place.root))}")
            out.print(f"Serve it with: atelier serve --model {profile.model} --store {escape(str(store))}")


def search(
    values: ProfileOption, set_: SetOption, store: StoreOption = DEFAULT_STORE, data_dir: DataOption = None
) -> None:
    """Search only; a finished search answers from its store."""
    with on_this_machine():
        from atelier_store.layout import Store

        from atelier_cli.profile import load

        place = Store(store.absolute())
        _search(load(values, set_, store=place), place, data_dir)


def data(
    values: ProfileOption,
    set_: SetOption,
    store: StoreOption = DEFAULT_STORE,
    data_dir: DataOption = None,
    output: OutputOption = "table",
) -> None:
    """Show what a search would learn from: rows, targets, features, what is left out. Nothing is trained.

    The prepared data stay in the store, where the search finds them.
    """
    with on_this_machine():
        from atelier_store.layout import Store
        from atelier_trial.data import load as load_arrays
        from atelier_trial.data import parts, prepare
        from atelier_trial.data.files import words_of_size

        from atelier_cli.profile import load
        from atelier_cli.show.data import report, tables

        place = Store(store.absolute())
        trainer = load(values, set_, store=place).spec.trainer
        description = prepare(
            trainer.data, place, Path.cwd(), data_dir, trainer.seed, lambda step: err.print(step, markup=False)
        )
        arrays, of = load_arrays(place, description), trainer.data
        found = report(description, arrays, parts(arrays, description, of.validation_fraction, of.folds, trainer.seed))
        if output == "json":
            print_json(asdict(found))
            return
        out.print(tables(found))
        out.print(f"{words_of_size(found.bytes)} in memory; prepared: {escape(str(place.data(found.digest).folder))}")


def promote(
    model: ModelOption,
    experiment: ExperimentArgument = None,
    store: StoreOption = DEFAULT_STORE,
    policy: PolicyOption = None,
    trial: TrialOption = None,
    version: VersionOption = None,
    previous: PreviousOption = False,
    why: WhyOption = "",
    sign: SignOption = None,
) -> None:
    """Verify the best trial of an experiment, score it on the test set, and serve it if the policy says so.

    With --trial, --version or --previous a person says what is served, whatever the scores.
    """
    with on_this_machine():
        from atelier_server.promotion.promote import promoter
        from atelier_store.layout import Store
        from atelier_store.records import DEFAULT_POLICY
        from atelier_trial.own_metrics import for_promotion

        from atelier_cli.commands.store import experiment_paths

        chosen = [
            name
            for name, given in (("--trial", trial), ("--version", version), ("--previous", previous))
            if given not in (None, False)
        ]
        _check_choice(chosen, experiment, policy, why)
        place = Store(store.absolute())
        promotes = promoter(place.model(model), sign, for_promotion)
        if version is not None:
            done = promotes.version(version, why)
        elif previous:
            done = promotes.previous(why)
        elif trial is not None:
            done = promotes.trial(experiment_paths(place, experiment).folder.name, trial, why)
        else:
            done = promotes.best(experiment_paths(place, experiment).folder.name, policy or DEFAULT_POLICY)
            _leaves_report(place, done.promotion.experiment)
        _show_promoted(place, done, model)


def _check_choice(chosen: list[str], experiment: str | None, policy: str | None, why: str) -> None:
    """Exit with every option that does not go with the others."""
    wrong = []
    if len(chosen) > 1:
        wrong.append(f"{', '.join(chosen)}: only one of them says what is served")
    if chosen and policy is not None:
        wrong.append(f"--policy: {policy} does not go with {chosen[0]}, which says what is served whatever the policy")
    if experiment is not None and "--trial" not in chosen and chosen:
        wrong.append(f"{experiment}: an experiment does not go with {chosen[0]}")
    if why and not chosen:
        wrong.append("--why: goes with --trial, --version or --previous; a policy says its own reason")
    if wrong:
        fail(wrong)


def serve(
    model: ModelOption,
    store: StoreOption = DEFAULT_STORE,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8000,
    signed_by: SignedByOption = None,
) -> None:
    """Serve what is promoted, now and later."""
    with on_this_machine():
        from atelier_server.__main__ import main as server

        place = ["--store", str(store.absolute()), "--model", model]
        trusted = ["--signed-by", str(signed_by.absolute())] if signed_by else []
        raise typer.Exit(server(["serve", *place, "--host", host, "--port", str(port or 8000), *trusted]))


def replay(
    key: Annotated[str, typer.Argument(help="The trial's key: 16 hex digits.", callback=named("KEY"))],
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Train a trial again from nothing, elsewhere, and compare every tensor of its model; the store keeps how."""
    with (
        on_this_machine(),
        tempfile.TemporaryDirectory(prefix="atelier-replay-") as scratch,
        err.status(f"training {escape(key)} again …"),
    ):
        from atelier_store.exit_codes import ExitCode
        from atelier_store.in_words import counted
        from atelier_store.layout import Store

        from atelier_cli.search.replay import remember
        from atelier_cli.search.replay import replay as replay_trial

        place = Store(store.absolute())
        replayed = replay_trial(place, key, Store(Path(scratch)))
        for name, (before, now) in replayed.environment.items():
            out.print(f"environment: {name} was {before}, is {now}", markup=False, style="yellow")
        for name in replayed.different:
            before, now = (digests.get(name, "missing")[:16] for digests in (replayed.stored, replayed.again))
            out.print(f"{name}: {before} stored, {now} again", markup=False, style="red")
        out.print(f"{counted(len(replayed.stored), 'tensor')} compared, {len(replayed.different)} different")
        remember(place, replayed)
    raise typer.Exit(ExitCode.FINDINGS if replayed.different else ExitCode.OK)


def _search(profile: Profile, store: Store, data_dir: Path | None) -> DataDescription:
    """Run the search and show it; exit if too many trials failed, or if there is nothing to promote."""
    from atelier_store.baselines import scores
    from atelier_store.exit_codes import ExitCode
    from atelier_store.in_words import counted, duration
    from atelier_store.ranking import rank
    from atelier_trial import baselines
    from atelier_trial.data import load, parts

    from atelier_cli.search.engine import Engine, Totals
    from atelier_cli.show.data import data_lines
    from atelier_cli.show.leaderboard import leaderboard, to_beat
    from atelier_cli.show.progress import SearchDisplay

    spec, experiment, totals = profile.spec, profile.spec.experiment, Totals()
    with SearchDisplay(spec, totals, out) as display:
        engine = Engine(spec, store, display, totals, data_dir)
        with err.status("preparing the data …") if not out.is_terminal else nullcontext():
            description = engine.prepare(lambda step: err.print(step, markup=False))
        rows = f"{counted(description.train_rows, 'row')} to learn from, {description.test_rows:,} to test"
        trials = f"{counted(experiment.max_trial_count, 'trial')} of {escape(description.source)} ({rows})"
        out.print(f"[bold]{spec.experiment_name}[/]: {trials}")
        arrays, of = load(store, description), spec.trainer.data
        of_search = parts(arrays, description, of.validation_fraction, of.folds, spec.trainer.seed)
        for line in data_lines(description, arrays, of_search):
            out.print(line, markup=False)
        how = f"{engine.parallel} at a time, {experiment.algorithm.algorithm_name}"
        out.print(f"{how}; store: {escape(str(store.root))}")
        baselines.ensure(store, spec, description, lambda step: err.print(step, markup=False))
        for summary in to_beat(scores(store, spec, description.digest)):
            out.print(summary)
        engine.search(description)
    trials = f"{counted(totals.trials, 'trial')} in {duration(totals.seconds)}: {totals.reused} found trained"
    epochs = f"{counted(totals.epochs_trained, 'epoch')} trained, {display.saved()} saved by stopping early"
    out.print(f"{trials}, {len(totals.failed)} failed; {epochs}")
    board = rank(store, spec)
    board.write(store.experiment(spec.experiment_name).leaderboard)
    out.print(leaderboard(board))
    if _leaves_report(store, spec.experiment_name):
        out.print(f"As one file: {escape(str(store.experiment(spec.experiment_name).report))}")
    failed = f"failed trials: {len(totals.failed)}"
    if totals.gave_up:
        most = f"experiment.maxFailedTrialCount is {experiment.max_failed_trial_count}"
        reasons = "the search ended early; reasons are on the leaderboard"
        fail([f"{failed}, and {most}: {reasons}"], ExitCode.FAILED)
    if totals.failed and all(entry.rank is None for entry in board.entries):
        fail([f"{failed}, and no other can be promoted; reasons are on the leaderboard"], ExitCode.FAILED)
    return description


def _leaves_report(store: Store, experiment: str) -> bool:
    """Leave the report of the search beside its leaderboard; what goes wrong is said, and ends nothing."""
    from atelier_board import report

    paths = store.experiment(experiment)
    try:
        report.leave(paths)
    except Exception as error:  # whatever it is, the search is done
        err.print(f"no {paths.report.name} is left: {type(error).__name__}: {error}", markup=False, style="yellow")
        return False
    return True


def _show_promoted(store: Store, promoted: Promoted, model: str) -> None:
    from atelier_server.promotion.promote import outcome
    from atelier_store.in_words import counted
    from atelier_store.report import shortfall
    from atelier_store.spec import Spec

    from atelier_cli.show.thresholds import threshold_lines

    promotion, manifest = promoted.promotion, promoted.manifest
    if promoted.is_served:
        words = "Promoted" if promoted.is_new else "Promoted already:"
        which = f"version {promotion.version} (trial {promotion.trial}, key {promotion.key})"
        out.print(f"\n{words} [bold]{model}[/] {which}")
    else:
        out.print(f"\nNot promoted: {outcome(promoted, model)}", markup=False, style="yellow")
    if short := shortfall(Spec.read(store.experiment(promotion.experiment).spec), manifest):
        out.print(f"  {short}", markup=False, style="bold yellow")
    for missed in _missed(store, promoted):
        out.print(f"  misses its goal: {missed}", markup=False, style="bold yellow")
    out.print(f"  {escape(manifest.architecture)}")
    cost = f"{counted(manifest.params, 'parameter')}, {counted(manifest.macs, 'MAC')}"
    out.print(f"  {cost}, {manifest.latency.p50_ms:.2f} ms")
    folds = manifest.config.folds
    retrained = manifest.config.retrained_epochs is not None
    validated = "retrained on these rows too, so not measurable" if retrained else _scores(manifest.metrics)
    out.print(f"  {f'{folds} folds:   ' if folds else 'validation:'} {validated}")
    if promoted.decision is None or promoted.decision.outcome != "none":  # that is no version, and was not tested
        scores = promotion.test_metrics
        tested = f"{_scores(scores)}, {counted(promotion.test_rows, 'row')}" if scores else "no test set"
        out.print(f"  test:       {tested}")
    of_targets = promotion.test_target_metrics or {}
    for target, metrics in (manifest.target_metrics or {}).items():
        out.print(f"  {target}: {_scores(metrics | of_targets.get(target, {}))}", markup=False)
    for line in threshold_lines(manifest, promotion.test_thresholds):
        out.print(f"  {line}", markup=False)


def _missed(store: Store, promoted: Promoted) -> list[str]:
    """The goals beside the objective that the promoted network misses, if it was chosen by its search."""
    from atelier_store.objectives import missed_goals
    from atelier_store.spec import Spec

    entries = promoted.leaderboard.entries if promoted.leaderboard else ()
    experiment = Spec.read(store.experiment(promoted.promotion.experiment).spec).experiment
    return [words for entry in entries if entry.rank == 1 for words in missed_goals(experiment, entry.objectives)]


def _scores(metrics: dict[str, float]) -> str:
    return ", ".join(f"{name} {score(value)}" for name, value in metrics.items())
