"""Commands that read a store."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from atelier_cli.commands.messages import err, fail, messages, out
from atelier_cli.commands.options import DEFAULT_STORE, ExperimentArgument, ModelOption, StoreOption

if TYPE_CHECKING:
    from atelier_store.layout import ExperimentPaths, Store


def leaderboard(
    experiment: ExperimentArgument = None,
    store: StoreOption = DEFAULT_STORE,
    all_: Annotated[bool, typer.Option("--all", help="Show every trial.")] = False,
) -> None:
    """Show how the trials of an experiment rank."""
    with messages():
        from atelier_store.layout import Store
        from atelier_store.ranking import rank
        from atelier_store.spec import Spec

        from atelier_cli.show.leaderboard import leaderboard as table

        place = Store(store.absolute())
        spec = Spec.read(experiment_paths(place, experiment).spec)
        out.print(table(rank(place, spec), most=sys.maxsize if all_ else 10))


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


def audit(store: StoreOption = DEFAULT_STORE) -> None:
    """Hash everything in a store again and name what is not as it was written."""
    with messages():
        from atelier_store.audit import audit as audit_store
        from atelier_store.layout import Store

        if not store.is_dir():
            fail([f"--store: {store}: no such folder"])
        place = Store(store.absolute())
        with err.status("hashing …") as status:

            def show(path: Path) -> None:
                status.update(f"hashing {escape(str(path.relative_to(place.root)))}")

            audited = audit_store(place, show)
        for mismatch in audited.mismatches:
            out.print(f"[red]{escape(str(mismatch.path.relative_to(place.root)))}[/]: {escape(mismatch.problem)}")
        counts = ", ".join(f"{count} {name}" for name, count in audited.checked.items())
        leftovers = len(audited.leftovers)
        unfinished = f"; {leftovers} unfinished files of processes that were killed" if leftovers else ""
        out.print(f"{counts} hashed: {len(audited.mismatches)} do not match{unfinished}")
    raise typer.Exit(1 if audited.mismatches else 0)


def experiment_paths(store: Store, name: str | None) -> ExperimentPaths:
    """The experiment of this name, or the one that was searched last."""
    known = {paths.folder.name: paths for paths in store.experiments() if paths.spec.exists()}
    if name is not None and name in known:
        return known[name]
    if name is not None or not known:
        fail([f"{store.root} has no experiment{f' {name!r}' if name else ''}; it has: {', '.join(known) or 'none'}"])
    return max(known.values(), key=lambda paths: paths.spec.stat().st_mtime)
