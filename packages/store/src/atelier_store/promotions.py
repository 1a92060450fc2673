"""What the records of a model say of its promotions: who promoted what, and when test rows were read for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from atelier_store import pointer
from atelier_store.layout import ModelPaths, VersionPaths
from atelier_store.records import Current, Decision, HistoryLine, Promotion, Record


class TestReading(Record):
    """A time when the test rows were read for a version of this search: to score it, or to decide over it."""

    __test__ = False  # pytest takes it for a test otherwise

    model: str
    version: str
    purpose: Literal["score", "decision"]
    rows: int | None
    read_at: str
    read_by: str


class AuditedModel(Record):
    """A model that has versions of this search, or whose last decision was over it.

    versions are this search's; history is all of the pointer's. test_looks counts the decisions that test rows made.
    """

    model: str
    current: Current | None
    versions: tuple[Promotion, ...]
    decision: Decision | None
    history: tuple[HistoryLine, ...]
    test_looks: int


def of_search(paths: ModelPaths, experiment: str) -> AuditedModel | None:
    """What there is of this search in a model; None if nothing is. What is damaged is left out."""
    found = [Promotion.read_if_whole(VersionPaths(folder).promotion) for folder in sorted(paths.versions.glob("[!.]*"))]
    versions = tuple(one for one in found if one is not None and one.experiment == experiment)
    decision = Decision.read_if_whole(paths.decision)
    if not versions and (decision is None or decision.experiment != experiment):
        return None
    history = tuple(pointer.lines(paths))
    looks = [line.test_looks for line in history] + ([decision.test_looks] if decision else [])
    return AuditedModel(
        model=paths.name,
        current=Current.read_if_whole(paths.current),
        versions=versions,
        decision=decision,
        history=history,
        test_looks=max(looks, default=0),
    )


def readings(model: AuditedModel, experiment: str) -> Iterator[TestReading]:
    """When its test rows were read: once to score a version, and at each decision that they made and that is kept."""
    for promotion in model.versions:
        if promotion.test_metrics is not None:
            yield TestReading(
                model=model.model,
                version=promotion.version,
                purpose="score",
                rows=promotion.test_rows,
                read_at=promotion.promoted_at,
                read_by=promotion.promoted_by,
            )
    moves = [
        (line.version, line.comparison, line.promoted_at, line.promoted_by, line.experiment) for line in model.history
    ]
    last = model.decision
    if last is not None and last.outcome != "promoted":
        moves.append((last.version, last.comparison, last.decided_at, last.decided_by, last.experiment))
    for version, comparison, at, by, of in moves:
        if of == experiment and comparison is not None and comparison.rows == "test":
            yield TestReading(model=model.model, version=version, purpose="decision", rows=None, read_at=at, read_by=by)
