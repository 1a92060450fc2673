"""What a promotion writes beside a version and a model: why it is served, or is not."""

from __future__ import annotations

from typing import Literal

from atelier_store.records.bundles import OptionalTargetMetrics, OptionalThresholds
from atelier_store.records.record import Record

Policy = Literal["neverWorse", "always", "candidate", "none"]
Outcome = Literal["promoted", "worse", "not_comparable", "waiting", "none"]
SearchState = Literal["running", "promoted", "refused", "waiting", "not_promoted", "failed"]


DEFAULT_POLICY: Policy = "neverWorse"
"""What becomes of a search's winner where nobody says otherwise; the chart's `promotion.policy` has it too."""


class Promotion(Record):
    """`versions/<version>/promotion.json`: why this bundle was promoted, and its test metrics, computed once.

    metric is None if it has learnt from the validation rows, and so has no value of the objective.
    """

    schema_version: Literal[1] = 1
    version: str
    experiment: str
    trial: str
    key: str
    metric: float | None
    objective_metric_name: str
    test_metrics: dict[str, float] | None
    test_thresholds: OptionalThresholds = None
    test_target_metrics: OptionalTargetMetrics = None
    test_rows: int
    promoted_at: str
    promoted_by: str

    @property
    def value(self) -> str:
        """The objective and its value, in words."""
        known = "not measurable, since it was retrained" if self.metric is None else f"{self.metric:.6g}"
        return f"{self.objective_metric_name} {known}"


class Current(Record):
    """`models/<model>/current.json`: the pointer that a server follows.

    version is the first 12 hex digits of the manifest's sha256.
    """

    schema_version: Literal[1] = 1
    model: str
    version: str
    manifest_sha256: str
    promoted_at: str


class Comparison(Record):
    """A version beside the one that is served, by one metric.

    rows says on which rows both values are: the same validation rows, the same test rows, or different ones, which
    compares nothing. served is None if the served version has no value of this metric.
    """

    metric_name: str
    rows: Literal["validation", "test", "different"]
    value: float
    served: float | None


class Decision(Record):
    """`models/<model>/decision.json`: what the policy made of the last winner.

    promoted: the pointer was moved to it, or was on it. worse, not_comparable: neverWorse left the pointer on the
    version served. waiting: a person has to say so, by the policy candidate or because a version is held. none: the
    policy promotes nothing, and the winner is no version. test_looks counts the decisions for this model that the test
    rows have made, this one included.
    """

    schema_version: Literal[1] = 1
    model: str
    experiment: str
    trial: str
    key: str
    version: str
    policy: Policy
    outcome: Outcome
    reason: str
    served: str | None
    comparison: Comparison | None
    test_looks: int
    decided_at: str
    decided_by: str


class HistoryLine(Record):
    """One line of `models/<model>/history.jsonl`: who moved the pointer to which version, when and why.

    policy is None if a person chose the version. Lines of older releases have no policy, comparison and test_looks.
    """

    schema_version: Literal[1] = 1
    version: str
    previous: str | None
    experiment: str
    trial: str
    key: str
    reason: str
    promoted_at: str
    promoted_by: str
    policy: Policy | None = None
    comparison: Comparison | None = None
    test_looks: int = 0


class KatibPick(Record):
    """Katib's own best trial, compared with the promoted one.

    key and value are None if the store or Katib does not know them. agrees: it is the promoted trial, its parent, or in
    it, if that is an average.
    """

    trial: str
    key: str | None
    value: float | None
    agrees: bool


class Search(Record):
    """`models/<model>/search.json`: the state of the search for this model, written by the server's commands.

    refused: its winner is worse than what is served. waiting: its winner waits for a person. not_promoted: the policy
    none promotes nothing. reason says more.
    """

    schema_version: Literal[1] = 1
    model: str
    experiment: str
    state: SearchState
    reason: str | None = None
    katib: KatibPick | None = None
    updated_at: str
