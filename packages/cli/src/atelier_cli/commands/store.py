"""Commands that read a store."""

from __future__ import annotations

import sys
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from atelier_cli.commands.messages import err, fail, messages, out, print_json
from atelier_cli.commands.options import (
    DEFAULT_STORE,
    ExperimentArgument,
    HostOption,
    ModelOption,
    OutputOption,
    StoreOption,
    named,
)

if TYPE_CHECKING:
    from atelier_store.audit import Audit
    from atelier_store.layout import ExperimentPaths, Store
    from atelier_store.signing.keys import PrivateKey

KeyOption = Annotated[
    Path | None,
    typer.Option(
        "--sign",
        metavar="KEY.pem",
        help="Sign the report with this private key, in FILE.intoto.",
        show_default=False,
    ),
]


def leaderboard(
    experiment: ExperimentArgument = None,
    store: StoreOption = DEFAULT_STORE,
    all_: Annotated[bool, typer.Option("--all", help="Show every trial.")] = False,
    output: OutputOption = "table",
) -> None:
    """Show how the trials of an experiment rank."""
    with messages():
        from atelier_store.index import Index
        from atelier_store.layout import Store
        from atelier_store.ranking import leaderboard as ranked
        from atelier_store.ranking import standings
        from atelier_store.spec import Spec

        from atelier_cli.show.leaderboard import leaderboard as table

        place = Store(store.absolute())
        paths = experiment_paths(place, experiment)
        spec = Spec.read(paths.spec)
        board = ranked(place, spec, standings(spec, Index(place, paths).rows()), rejected={})
        if output == "json":
            print_json(board.model_dump(mode="json"))
        else:
            out.print(table(board, most=sys.maxsize if all_ else 10))


def experiments(store: StoreOption = DEFAULT_STORE, output: OutputOption = "table") -> None:
    """List the searches of a store: state, trials and best value, the last one first."""
    with messages():
        from atelier_store.layout import Store
        from atelier_store.searches import searched

        from atelier_cli.show.experiments import experiments as table

        check_store(store)
        found = searched(Store(store.absolute()))
        if output == "json":
            print_json([asdict(one) for one in found])
        else:
            out.print(table(found))


def versions(
    model: ModelOption,
    store: StoreOption = DEFAULT_STORE,
    history: Annotated[
        bool, typer.Option("--history", help="Show every change of what is served: when, who and why.")
    ] = False,
) -> None:
    """Show the versions of a model, and which one is served."""
    with messages():
        from atelier_store import pointer
        from atelier_store.layout import Store

        from atelier_cli.show.versions import history as changes
        from atelier_cli.show.versions import versions as table

        place = Store(store.absolute())
        paths = place.model(model)
        if not paths.folder.is_dir():
            known = ", ".join(other.name for other in place.models()) or "none"
            fail([f"{place.root} has no model {model!r}; it has: {known}"])
        out.print(changes(pointer.lines(paths)) if history else table(paths))


def compare(
    a: Annotated[str, typer.Argument(help="A search, or a trial: its key, its name, or SEARCH/NAME.", metavar="A")],
    b: Annotated[str, typer.Argument(help="Another one.", metavar="B")],
    store: StoreOption = DEFAULT_STORE,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 if anything differs.")] = False,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write the board's comparison to a file.", show_default=False),
    ] = None,
    output: OutputOption = "table",
) -> None:
    """Show only what differs between two trials, or two searches, from the spec to the cost."""
    with messages():
        from atelier_store.differences import searches, subjects, trials
        from atelier_store.exit_codes import ExitCode
        from atelier_store.layout import Store

        from atelier_cli.show.differences import differences, search_differences

        check_store(store)
        place = Store(store.absolute())
        if html is not None:
            _write_comparison(place, a, b, html)
        one, other = subjects.two(place, a, b)
        if isinstance(one, subjects.SearchSubject):
            assert isinstance(other, subjects.SearchSubject)
            compared = searches.compare(place, one, other)
            found, told = compared.differences, asdict(compared)
            table = search_differences(a, b, compared, one.spec.experiment.objective)
        else:
            assert isinstance(other, subjects.TrialSubject)
            found = trials.compare(place, one, other)
            told, table = {"differences": [asdict(difference) for difference in found]}, differences(a, b, found)
        if output == "json":
            print_json({"a": one.described, "b": other.described, **told})
        else:
            out.print(table)
        raise typer.Exit(ExitCode.FINDINGS if found and check else ExitCode.OK)


def audit(
    experiment: Annotated[
        str | None, typer.Argument(help="The search of --report; the latest if left out.", show_default=False)
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE",
            help="Write the audit of a search: what was asked, tried, promoted and checked.",
            show_default=False,
        ),
    ] = None,
    sign: KeyOption = None,
    output: OutputOption = "table",
) -> None:
    """Hash everything in a store again and name what is not as it was written."""
    with messages():
        from atelier_store.audit import audit as audit_store
        from atelier_store.exit_codes import ExitCode
        from atelier_store.layout import Store
        from atelier_store.signing import keys

        check_store(store)
        place = Store(store.absolute())
        if experiment is not None and report is None:
            fail([f"{experiment}: a search is audited into a file; name one with --report FILE"])
        if sign is not None and report is None:
            fail([f"--sign {sign}: a report is signed; name one with --report FILE"])
        searched = experiment_paths(place, experiment) if report is not None else None
        key = keys.read(sign) if sign is not None else None
        with err.status("hashing …") as status:

            def show(path: Path) -> None:
                status.update(f"hashing {escape(str(path.relative_to(place.root)))}")

            audited = audit_store(place, show)
        if report is not None and searched is not None:
            _write_report(place, searched, audited, report, key)
        named = [(str(found.path.relative_to(place.root)), found.problem) for found in audited.mismatches]
        if output == "json":
            mismatches = [{"path": path, "problem": problem} for path, problem in named]
            unfinished_files = [str(path.relative_to(place.root)) for path in audited.leftovers]
            unsealed = [str(path.relative_to(place.root)) for path in audited.unprotected]
            found = {"mismatches": mismatches, "unprotected": unsealed, "leftovers": unfinished_files}
            print_json({"checked": audited.checked, **found})
            raise typer.Exit(ExitCode.FINDINGS if named else ExitCode.OK)
        for path, problem in named:
            out.print(f"[red]{escape(path)}[/]: {escape(problem)}")
        counts = ", ".join(f"{count} {name}" for name, count in audited.checked.items())
        leftovers = len(audited.leftovers)
        unfinished = f"; {leftovers} unfinished files of processes that were killed" if leftovers else ""
        out.print(f"{counts} hashed: {len(audited.mismatches)} do not match{unfinished}")
        if unprotected := len(audited.unprotected):
            some = audited.unprotected[0].relative_to(place.root)
            err.print(
                f"{unprotected} records are not protected, {escape(str(some))} for example: they have no digest yet"
            )
        raise typer.Exit(ExitCode.FINDINGS if named else ExitCode.OK)


def board(
    store: StoreOption = DEFAULT_STORE,
    host: HostOption = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 is a free one.", min=0, max=65535)] = 8081,
) -> None:
    """Show the searches of a store in a browser: trials, curves, why each ended. It only reads, also while they run."""
    need_the_board()
    with messages():
        from atelier_board.serve import serve
        from atelier_store import addresses
        from atelier_store.layout import Store

        from atelier_cli.serving import check_free

        check_store(store)
        if port:
            check_free(host, port)
        with addresses.listen(host, port) as listening:
            url = addresses.url(addresses.reachable(host), listening.getsockname()[1])
            out.print(f"The board of {escape(str(store))}: {url} (Ctrl-C ends it)")
            serve(Store(store.absolute()), listening, host)


def _write_comparison(store: Store, a: str, b: str, file: Path) -> None:
    need_the_board()
    from atelier_board import report
    from atelier_store.files import write_text

    write_text(file, report.of_comparison(store, a, b))
    err.print(f"written: {escape(str(file))}")


def need_the_board() -> None:
    """Exit unless the pages are installed, which some commands do without."""
    if find_spec("atelier_board") is None:
        fail(
            ["not installed: atelier-board; in a checkout of this project: uv sync --package atelier-cli --extra board"]
        )


def _write_report(store: Store, searched: ExperimentPaths, audited: Audit, file: Path, key: PrivateKey | None) -> None:
    """Write the report of a search and, with a key, the signed statement beside it, of file.json file.json.intoto."""
    from atelier_store.spec import Spec

    from atelier_cli.export.audit import report, signed
    from atelier_cli.export.trials import trials

    spec = Spec.read(searched.spec)
    report(store, spec, trials(store, spec), audited).write(file)
    err.print(f"written: {escape(str(file))}")
    if key is not None:
        beside = file.with_name(f"{file.name}.intoto")
        write_json(beside, signed(file, key))


def sign(
    model: ModelOption,
    key: Annotated[
        Path,
        typer.Option("--key", metavar="KEY.pem", help="Private key: ECDSA, P-256 for example.", show_default=False),
    ],
    version: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="The one that is served if left out.", callback=named("VERSION")),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Sign a version of a model and where it comes from, for anybody to check with published tools."""
    with messages():
        from atelier_store.layout import Store
        from atelier_store.signing import keys, models

        check_store(store)
        private, paths = keys.read_ecdsa(key), Store(store.absolute()).model(model)
        files = models.whole(paths, version)
        models.Signer(paths, private).sign(files, files.version)
        for written in (paths.signature(files.version), paths.signed_provenance(files.version)):
            err.print(f"written: {escape(str(written))}")


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write JSON to a file, whole or not at all, and say so."""
    import json

    from atelier_store.files import write_text

    write_text(path, json.dumps(value, ensure_ascii=False) + "\n")
    err.print(f"written: {escape(str(path))}")


def check_store(store: Path) -> None:
    """Exit unless there is such a folder."""
    if not store.is_dir():
        fail([f"--store: {store}: no such folder"])


def experiment_paths(store: Store, name: str | None) -> ExperimentPaths:
    """The experiment of this name, or the one that was searched last."""
    known = {paths.folder.name: paths for paths in store.experiments() if paths.spec.exists()}
    if name is not None and name in known:
        return known[name]
    if name is not None or not known:
        fail([f"{store.root} has no experiment{f' {name!r}' if name else ''}; it has: {', '.join(known) or 'none'}"])
    return max(known.values(), key=lambda paths: paths.spec.stat().st_mtime)
