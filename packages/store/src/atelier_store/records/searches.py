"""What a search writes: its suggestions, what it began with, and how its trials rank."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from atelier_store.records.record import Record
from atelier_store.records.trials import BestEpoch, Member, OptionalInt8, Status
from atelier_store.spec import Proxy


class KeptExperiment(Record):
    """`katib-experiment.json`: Katib's Experiment as it was applied, while it is deleted to be created again."""

    schema_version: Literal[1] = 1
    manifest: dict[str, Any]


class TrialRecord(Record):
    """`experiments/<name>/trials/<trial>.json`: the key of a suggestion.

    number is its place in the order of suggestions, from 0, if the engine counts them. found: the store had the result
    before this search suggested it, so the trial does not count in maxTrialCount; written only if true. reason says why
    the searcher suggested it; records of others, and of older releases, have none. rungs says, by epoch, why it went on
    where that was not for its value.
    """

    schema_version: Literal[1] = 1
    trial: str
    number: int | None = None
    params: dict[str, str]
    key: str | None
    error: str | None = None
    found: bool = Field(default=False, exclude_if=lambda found: not found)
    reason: str | None = Field(default=None, exclude_if=lambda reason: reason is None)
    rungs: dict[int, str] = Field(default={}, exclude_if=lambda rungs: not rungs)


class Candidate(Record):
    """An untrained network: the parameters that build it, and its scores. unscored says why it has no score.

    macs are the multiply-adds of a prediction; None where they are not known, or a release before wrote it.
    """

    params: dict[str, str]
    scores: dict[Proxy, float]
    unscored: dict[Proxy, str] = Field(default={}, exclude_if=lambda reasons: not reasons)
    macs: int | None = Field(default=None, exclude_if=lambda macs: macs is None)


class ScoredNetworks(Record):
    """`shortlists/<digest>.json`: scores of the untrained networks of one space, in the order in which they were drawn.

    drawn counts also those that are over the budget. Deleted, it is made again, the same.
    """

    schema_version: Literal[1] = 1
    digest: str
    drawn: int
    networks: tuple[Candidate, ...]


class EarlierTrial(Record):
    """A trial of an earlier search: what was suggested, and the objective after each epoch that it had ended."""

    trial: str
    key: str
    params: dict[str, str]
    values: Annotated[tuple[float, ...], Field(min_length=1)]


class EarlierSearch(Record):
    """A search as far as it had come. store is the folder of its store, if that is another one."""

    name: str
    store: str | None = Field(default=None, exclude_if=lambda store: store is None)
    data_digest: str
    trials: Annotated[tuple[EarlierTrial, ...], Field(min_length=1)]


class EarlierSearches(Record):
    """`experiments/<name>/experience.json`: what a search could know of earlier ones when it began, on which data.

    Every decision of the search is made from it, whatever becomes of the earlier ones. The latest is the first.
    """

    schema_version: Literal[1] = 1
    data_digest: str
    searches: tuple[EarlierSearch, ...]


class BaselineScore(Record):
    """What a baseline came to by the objective of a search."""

    name: str
    metric: float


OptionalBaselines = Annotated[tuple[BaselineScore, ...], Field(exclude_if=lambda baselines: not baselines)]
"""Best first. Not written if there are none, as before there were baselines."""


class LeaderboardEntry(Record):
    """One trial on the leaderboard; if it cannot be promoted, rank is None and reason says why.

    parameters are as suggested; leaderboards of 0.1.0 have none. epochs were trained, and best_epoch is the one whose
    weights its network has, if the search keeps the best. objectives, by name, and on_front, whether no other
    trial is better than this by all of them, are written where a search has several.
    """

    rank: int | None
    trial: str
    key: str | None
    parameters: dict[str, str] = Field(default={})
    status: Status | Literal["rejected"]
    metric: float | None
    epochs: int
    best_epoch: BestEpoch = None
    params: int | None
    macs: int | None
    latency_p50_ms: float | None
    architecture: str | None
    reason: str | None
    objectives: dict[str, float] = Field(default={}, exclude_if=lambda values: not values)
    on_front: bool = Field(default=False, exclude_if=lambda is_on: not is_on)


class AveragedTrial(Member):
    """A member of an average, with the name of its trial in the search."""

    trial: str


class FinishLine(Record):
    """One thing that was tried at the end of a search, and what came of it.

    trial and key are None where there was nothing to try. Of what was made of trained networks, metric is its value of
    the objective. best is that of the best trial, best_trial; of a mirrored network it is what that is made from. kept:
    an average or a mirrored network ranks before that one; an int8 variant, and what was retrained, which has no value,
    take the place of the best at a promotion. reason says why, or why not.
    """

    what: Literal["average", "mirror", "retraining", "int8"]
    trial: str | None
    key: str | None
    members: tuple[AveragedTrial, ...]
    metric: float | None
    best: float | None
    best_trial: str | None
    int8: OptionalInt8 = None
    kept: bool
    reason: str


OptionalFinish = Annotated[tuple[FinishLine, ...], Field(exclude_if=lambda lines: not lines)]
"""Not written if nothing was tried, as before anything was."""


class Leaderboard(Record):
    """`experiments/<name>/leaderboard.json`."""

    schema_version: Literal[1] = 1
    experiment: str
    objective_metric_name: str
    entries: tuple[LeaderboardEntry, ...]
    baselines: OptionalBaselines = ()
    finish: OptionalFinish = ()
    written_at: str
