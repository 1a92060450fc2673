"""`history.jsonl`: one line for every change of a model's pointer. Lines are only ever added."""

from __future__ import annotations

from pydantic import ValidationError

from atelier_store import sealed
from atelier_store.records import HistoryLine, Promotion


def parse(content: bytes) -> list[HistoryLine | None]:
    """The lines, oldest first; None for a line that is not whole, or not as it was written after those before it."""
    return [_parsed(line) for line in sealed.read_lines(content)]


def with_line(content: bytes, promotion: Promotion) -> bytes:
    """The content and a line for this promotion, unless the last whole line names its version already.

    Torn lines stay, for audit to find them.
    """
    whole = [line for line in parse(content) if line is not None]
    previous = whole[-1].version if whole else None
    if previous == promotion.version:
        return content
    before = content + (b"\n" if content and not content.endswith(b"\n") else b"")
    return before + sealed.line(_line(promotion, previous).model_dump_json(), before)


def _parsed(line: sealed.Line) -> HistoryLine | None:
    try:
        return None if line.is_altered else HistoryLine.model_validate_json(line.json)
    except ValidationError:
        return None


def _line(promotion: Promotion, previous: str | None) -> HistoryLine:
    return HistoryLine(
        version=promotion.version,
        previous=previous,
        experiment=promotion.experiment,
        trial=promotion.trial,
        key=promotion.key,
        reason=f"best {promotion.objective_metric_name} of {promotion.experiment}: {promotion.metric:.6g}",
        promoted_at=promotion.promoted_at,
        promoted_by=promotion.promoted_by,
    )
