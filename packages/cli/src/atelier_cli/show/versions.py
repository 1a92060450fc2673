"""The versions of a model, and the history of its pointer, as tables."""

from __future__ import annotations

from collections.abc import Sequence

from atelier_store import pointer
from atelier_store.layout import ModelPaths, VersionPaths
from atelier_store.records import Decision, HistoryLine, Promotion
from atelier_store.spec import at_test
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from atelier_cli.show.leaderboard import short_name
from atelier_cli.show.numbers import score

STATES = {"worse": "refused", "not_comparable": "waits", "waiting": "waits"}


def versions(paths: ModelPaths) -> RenderableType:
    """Every version, the latest last; then those that cannot be read."""
    table = _table(paths.name, "version", "trial", "search", "scores", "when", "who", "")
    served, decision = pointer.served(paths), Decision.read_if_whole(paths.decision)
    moves = {line.version: line for line in pointer.lines(paths)}
    read = [_read(VersionPaths(folder)) for folder in sorted(paths.versions.glob("[!.]*"))]
    whole = [promotion for promotion in read if isinstance(promotion, Promotion)]
    for promotion in sorted(whole, key=lambda promotion: promotion.promoted_at):
        is_served = served is not None and served.name == promotion.version
        waits = decision.outcome if decision and decision.version == promotion.version else ""
        last = moves.get(promotion.version)
        table.add_row(
            promotion.version,
            short_name(promotion.trial),
            promotion.experiment,
            _scores(promotion),
            _minute(last.promoted_at if last else promotion.promoted_at),
            Text(last.promoted_by if last else promotion.promoted_by),
            "served" if is_served else STATES.get(waits, ""),
            style="bold" if is_served else "",
        )
    reasons = [Text(problem, "yellow") for problem in read if isinstance(problem, str)]
    shown: list[RenderableType] = [table, *reasons]
    if decision is not None and decision.outcome in STATES and (served is None or served.name != decision.version):
        shown.append(Text(f"{decision.version} {STATES[decision.outcome]}: {decision.reason}", "yellow"))
    return Group(*shown)


def history(lines: Sequence[HistoryLine]) -> RenderableType:
    """Every change of the pointer, oldest first."""
    table = _table("what was served", "when", "version", "before", "who", "why")
    for line in lines:
        table.add_row(
            _minute(line.promoted_at), line.version, line.previous or "none", Text(line.promoted_by), Text(line.reason)
        )
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in columns:
        table.add_column(name, no_wrap=name in ("version", "before", "when"), overflow="fold")
    return table


def _read(files: VersionPaths) -> Promotion | str:
    """Why it was promoted, or what is wrong with it."""
    promotion = Promotion.read_if_whole(files.promotion)
    if promotion is None or pointer.read_version(files) is None:
        return f"{files.version}: its manifest or its promotion is missing or damaged"
    return promotion


def _scores(promotion: Promotion) -> str:
    name = promotion.objective_metric_name
    tested = (promotion.test_metrics or {}).get(at_test(name))
    value = promotion.value if promotion.metric is None else f"{name} {score(promotion.metric)}"
    return value + ("" if tested is None else f", test {score(tested)}")


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")
