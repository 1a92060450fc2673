"""What a decision is made from: the trials of a search, in the order of their suggestion."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from atelier_searcher.latency import Measured

Status = Literal["running", "paused", "succeeded", "over_budget", "failed"]


@dataclass(frozen=True)
class Trial:
    """One suggestion, as far as a decision may know it.

    params are texts, as Katib would pass them to a trial. values are the objective after each epoch, of its last run
    that ended; a trial that runs again has those from before. others are those of the other objectives at the end of
    that run, in the order of the spec. found: the store had its result before this search suggested it. measured is the
    latency of its network, if the search asks for it.
    """

    params: dict[str, str]
    key: str
    status: Status = "running"
    values: tuple[float, ...] = ()
    others: tuple[float, ...] = ()
    found: bool = False
    measured: Measured | None = None

    @property
    def counts(self) -> bool:
        """Whether it is a training, which is what maxTrialCount counts."""
        return not self.found and self.status != "over_budget"


History = Sequence[Trial]
"""The trials of a search; a trial's number is its place."""


def by_key(history: Iterable[Trial]) -> dict[str, Trial]:
    """The trial of each key that has come furthest; one that runs before all others of its key."""
    furthest: dict[str, Trial] = {}
    for trial in history:
        other = furthest.get(trial.key)
        if other is None or _progress(trial) > _progress(other):
            furthest[trial.key] = trial
    return furthest


def _progress(trial: Trial) -> tuple[bool, int]:
    return trial.status == "running", len(trial.values)
