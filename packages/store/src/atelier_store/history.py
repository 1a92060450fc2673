"""`history.jsonl`: one line for every change of a model's pointer. Lines are only ever added."""

from __future__ import annotations

from pydantic import ValidationError

from atelier_store import sealed
from atelier_store.records import HistoryLine, Promotion


def parse(content: bytes) -> list[HistoryLine | None]:
    """The lines, oldest first; None for a line that is not whole, or not as it was written after those before it."""
    return [_parsed(line) for line in sealed.read_lines(content)]


def whole(content: bytes) -> list[HistoryLine]:
    """The whole lines, oldest first."""
    return [line for line in parse(content) if line is not None]


def with_line(content: bytes, line: HistoryLine) -> bytes:
    """The content and this line, unless the last whole line names its version already.

    Its previous version becomes that of the last whole line. Torn lines stay, for audit to find them.
    """
    before = whole(content)
    previous = before[-1].version if before else None
    if previous == line.version:
        return content
    start = content + (b"\n" if content and not content.endswith(b"\n") else b"")
    added = line.model_copy(update={"previous": previous})
    return start + sealed.line(added.model_dump_json(), start)


def line_of(promotion: Promotion) -> HistoryLine:
    """The line of a version that was promoted because its trial was the best; what came before it is left open."""
    known = promotion.value.removeprefix(f"{promotion.objective_metric_name} ")
    return HistoryLine(
        version=promotion.version,
        previous=None,
        experiment=promotion.experiment,
        trial=promotion.trial,
        key=promotion.key,
        reason=f"best {promotion.objective_metric_name} of {promotion.experiment}: {known}",
        promoted_at=promotion.promoted_at,
        promoted_by=promotion.promoted_by,
    )


def _parsed(line: sealed.Line) -> HistoryLine | None:
    try:
        return None if line.is_altered else HistoryLine.model_validate_json(line.json)
    except ValidationError:
        return None
