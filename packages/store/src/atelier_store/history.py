"""`history.jsonl`: one line for every change of a model's pointer. Lines are only ever added."""

from __future__ import annotations

from pydantic import ValidationError

from atelier_store.records import HistoryLine, Promotion


def parse(content: bytes) -> list[HistoryLine | None]:
    """The lines, oldest first; None for a line that is not whole."""
    return [_parsed(line) for line in content.splitlines()]


def with_line(content: bytes, promotion: Promotion) -> bytes:
    """The content and a line for this promotion, unless the last whole line names its version already.

    Torn lines stay, for audit to find them.
    """
    whole = [line for line in parse(content) if line is not None]
    previous = whole[-1].version if whole else None
    if previous == promotion.version:
        return content
    separator = b"\n" if content and not content.endswith(b"\n") else b""
    return content + separator + _line(promotion, previous).model_dump_json().encode() + b"\n"


def _parsed(line: bytes) -> HistoryLine | None:
    try:
        return HistoryLine.model_validate_json(line)
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
