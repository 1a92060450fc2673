"""The JSON files of a store. Each is one pydantic model with a schema version; its names are in snake case."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from atelier_store import sealed
from atelier_store.files import write_text
from atelier_store.spec import (
    Algorithm,
    Budget,
    ClassWeights,
    ColumnKind,
    EarlyStopping,
    Fit,
    Kind,
    Objective,
    Parameter,
    Proxy,
    Split,
    Task,
    sha256_of,
)

Status = Literal["running", "paused", "stopped", "over_budget", "succeeded", "failed"]
Policy = Literal["neverWorse", "always", "candidate", "none"]
Outcome = Literal["promoted", "worse", "not_comparable", "waiting", "none"]
SearchState = Literal["running", "promoted", "refused", "waiting", "not_promoted", "failed"]
Part = Literal["validation", "test"]
DEFAULT_POLICY: Policy = "neverWorse"
"""What becomes of a search's winner where nobody says otherwise; the chart's `promotion.policy` has it too."""


OptionalFit = Annotated[Fit | None, Field(exclude_if=lambda fit: fit is None)]
"""Not written if there is none, so that servers which know only stretch can serve what is stretched."""


class TornRecord(ValueError):
    """A record that exists and cannot be read as one, or is not as it was written."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path, self.problem = path, problem


class Record(BaseModel):
    """A file of the store, or a line of one, with its digest.

    Rejects numbers that are not finite, and unknown fields within one schema version.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @property
    def document(self) -> str:
        """Its file's text, with its digest."""
        return sealed.document(self.model_dump_json(indent=2))

    def write(self, path: Path) -> None:
        """Write to path, atomically, with its digest."""
        write_text(path, self.document)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The record at path. FileNotFoundError; TornRecord, which names file and reason, if the file is not one."""
        return cls.parse(path.read_bytes(), path)

    @classmethod
    def parse(cls, content: bytes, path: Path) -> Self:
        """The record in the content of the file at path. Raises TornRecord, likewise."""
        try:
            return cls.model_validate_json(sealed.read_document(content))
        except sealed.Altered as error:
            raise TornRecord(path, str(error)) from error
        except ValidationError as error:
            raise TornRecord(path, f"not a whole {cls.__name__}: {reasons(error)}") from error

    @classmethod
    def read_if_there(cls, path: Path) -> Self | None:
        """The record at path, or None if it is missing. Raises TornRecord, for what must not be decided without it."""
        try:
            return cls.read(path)
        except FileNotFoundError:
            return None

    @classmethod
    def read_if_whole(cls, path: Path) -> Self | None:
        """The record at path, or None if it is missing or torn."""
        try:
            return cls.read(path)
        except (FileNotFoundError, TornRecord):
            return None


def reasons(error: ValidationError) -> str:
    """The first three things that are wrong with a file, and where in it."""
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()[:3])


Folds = Annotated[int | None, Field(exclude_if=lambda folds: folds is None)]
"""In how many folds the training rows are validated with. Not written if they are not, as before there were folds."""


class Member(Record):
    """A network that an average is of: the key of its trial, that of its epochs, and the sha256 of its ONNX file."""

    key: str
    epochs: int
    onnx_sha256: str


class TrialConfig(Record):
    """`config.json`: the canonical configuration; its digest is the trial's key.

    A tail (parent, parent_epochs and tail_epochs are set) goes on from its parent's weights at that epoch, with a
    learning rate that falls to zero. An average has members, the best first, and is not trained: it has no params, and
    what else it has is that of its best member. class_weights are written with the labels whose weight is not 1; they,
    loss_digest and metric_digests, of a loss and metrics of the user's own, only if they are not none, as before they
    were there.
    """

    schema_version: Literal[1] = 1
    params: dict[str, Any]
    data_digest: str
    validation_fraction: float
    folds: Folds = None
    network_digest: str
    recipe_version: int
    seed: int
    class_weights: ClassWeights = Field(default="none", exclude_if=lambda weights: weights == "none")
    loss_digest: str | None = Field(default=None, exclude_if=lambda digest: digest is None)
    metric_digests: dict[str, str] | None = Field(default=None, exclude_if=lambda digests: digests is None)
    parent: str | None = None
    parent_epochs: int | None = None
    tail_epochs: int | None = None
    members: tuple[Member, ...] | None = Field(default=None, exclude_if=lambda members: members is None)

    @property
    def key(self) -> str:
        """First 16 hex digits of the sha256 of the canonical JSON of all fields that are set but schema_version."""
        return sha256_of(self.model_dump(exclude_none=True, exclude={"schema_version"}))[:16]


class KeptExperiment(Record):
    """`katib-experiment.json`: Katib's Experiment as it was applied, while it is deleted to be created again."""

    schema_version: Literal[1] = 1
    manifest: dict[str, Any]


class Epoch(Record):
    """One line of `metrics.jsonl`: one epoch. metrics holds val_* values and train_loss; seconds is wall time."""

    epoch: int
    metrics: dict[str, float]
    seconds: float
    finished_at: str


class Latency(Record):
    """Milliseconds for one example, ONNX Runtime, one thread, on the CPU that the environment names."""

    p50_ms: float
    p95_ms: float


class Environment(Record):
    """What has to be equal for a replay to be bit-identical."""

    python: str
    torch: str
    numpy: str
    onnxruntime: str
    cpu: str
    cpu_capability: str
    threads: int
    device: str
    precision: Literal["float32", "bfloat16"]
    code_version: str


class Card(Record):
    """`card.json`: the state of a trial.

    metric is the objective of the last epoch's weights, which are those in the bundle; metrics are all that was
    measured of them. best_epoch is where the curve was best; cards of 0.1.0 have its value as metric.
    files maps a path below the trial's folder to its sha256; weights_sha256 is over the EMA weights. peak_memory_bytes
    is the most that a process of the trial has had in memory, preparation of the data included if it made them; cards
    of older releases have none.
    """

    schema_version: Literal[1] = 1
    key: str
    status: Status
    reason: str | None = None
    objective_metric_name: str
    metric: float | None = None
    best_epoch: int | None = None
    metrics: dict[str, float] = {}
    epochs: int = 0
    params: int | None = None
    macs: int | None = None
    latency: Latency | None = None
    peak_memory_bytes: int | None = Field(default=None, exclude_if=lambda count: count is None)
    weights_sha256: str | None = None
    environment: Environment | None = None
    files: dict[str, str] = {}
    updated_at: str

    @property
    def value(self) -> float | None:
        """The objective of the last epoch's weights, whichever release wrote the card."""
        return self.metrics.get(self.objective_metric_name, self.metric)


class Replay(Record):
    """`replays/<time>.json`: the trial was trained again from nothing, and its tensors were compared.

    different names those that were not the same bit for bit. environment is that of the replay, which has to equal the
    card's for equal weights.
    """

    schema_version: Literal[1] = 1
    key: str
    epochs: int
    tensors: int
    different: tuple[str, ...]
    environment: Environment
    replayed_at: str


class Note(Record):
    """`notes/<key>.json`: what a person says of a trial, and whether it has a star."""

    schema_version: Literal[1] = 1
    key: str
    starred: bool
    text: str
    written_at: str


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
    """An untrained network: the parameters that build it, and its scores. unscored says why it has no score."""

    params: dict[str, str]
    scores: dict[Proxy, float]
    unscored: dict[Proxy, str] = Field(default={}, exclude_if=lambda reasons: not reasons)


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


class RungValue(Record):
    """`experiments/<name>/rungs/<epoch>/<key>.json`: a trial's objective at that epoch."""

    schema_version: Literal[1] = 1
    key: str
    value: float


class Tensor(Record):
    """One input or output: datatype in the Open Inference Protocol's names (UINT8, FP32, …); -1 is the batch."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class Provenance(Record):
    """Where a bundle comes from. experiment and trial are the first that trained it."""

    experiment: str
    spec_digest: str
    data_digest: str
    network_digest: str
    recipe_version: int
    seed: int
    trial: str
    key: str
    epochs: int
    parents: tuple[str, ...] = ()
    environment: Environment


class Parity(Record):
    """ONNX Runtime against torch on every validation row. argmax_equal is None for regression.

    Of an average: against the mean of what its members' networks answer one by one, which were compared with torch.
    """

    rows: int
    argmax_equal: bool | None
    max_abs_difference: float


class InputStatistics(Record):
    """Statistics of the training rows' raw inputs, per feature of rows, else per channel (one if there are none).

    std is of these values themselves (numpy's default); count is the number of values in each mean.
    """

    mean: tuple[float, ...]
    std: tuple[Annotated[float, Field(ge=0)], ...]
    count: Annotated[int, Field(ge=1)]


class Column(Record):
    """One column of a table, and what a prepared array holds of it; atelier_store/columns.py says how.

    levels are a category's own values, as `columns.level` spells them; every other value is "unseen".
    """

    name: str
    kind: ColumnKind
    levels: tuple[str, ...] = ()


class ColumnStatistics(Record):
    """What the training rows hold of one column: count is their number, missing the share of them with a gap.

    mean and std are of a number's, or of a date's seconds since 1970, where there is no gap. shares are those of each
    of a category's level numbers: missing, unseen, and its levels.
    """

    count: Annotated[int, Field(ge=1)]
    missing: Annotated[float, Field(ge=0, le=1)]
    mean: float | None = None
    std: Annotated[float, Field(ge=0)] | None = None
    shares: tuple[Annotated[float, Field(ge=0, le=1)], ...] = ()


class Threshold(Record):
    """From which probability of a class a row is labelled so, by which rule that was chosen, and what came of it.

    metrics are scores of the labels that it gives: to the validation rows in a manifest, to the test rows in a
    promotion.
    """

    label: str
    value: Annotated[float, Field(ge=0, le=1)]
    rule: str
    metrics: dict[str, float]


OptionalThresholds = Annotated[
    tuple[Threshold, ...] | None, Field(default=None, exclude_if=lambda thresholds: thresholds is None)
]
"""Of two classes one, of the second. Not written if there are none: the most probable class is then the label."""


OptionalColumns = Annotated[tuple[Column, ...] | None, Field(exclude_if=lambda columns: columns is None)]
"""Not written if there are none, so that what is no table is written as before there were tables."""


OptionalTexts = Annotated[tuple[str, ...] | None, Field(exclude_if=lambda texts: texts is None)]


OptionalTargetMetrics = Annotated[dict[str, dict[str, float]] | None, Field(exclude_if=lambda metrics: metrics is None)]
"""Scores of each of several targets, by their names. Not written if there is one."""


class Manifest(Record):
    """`model/manifest.json`: everything about a bundle but its bytes. files maps the other files' names to sha256.

    input_statistics are of the first input; older bundles and tables have none. fit says how a picture of another size
    was brought to that of the inputs, and has to be; None is stretch. columns and column_statistics are a table's, in
    the order of its inputs, and feature_names are then the columns' names. missing holds the texts that mean a gap in
    it, in lower case, beside the empty one. thresholds are chosen at a promotion: a trial's bundle has none. Several
    named targets have target_names, in the order of the output, and target_metrics.
    """

    schema_version: Literal[1] = 1
    kind: Kind
    task: Task
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    input_statistics: InputStatistics | None = None
    columns: OptionalColumns = None
    column_statistics: Annotated[
        tuple[ColumnStatistics, ...] | None, Field(exclude_if=lambda statistics: statistics is None)
    ] = None
    missing: OptionalTexts = None
    fit: OptionalFit = None
    labels: tuple[str, ...] | None
    thresholds: OptionalThresholds = None
    feature_names: tuple[str, ...] | None = None
    target_name: str | None = None
    target_names: OptionalTexts = None
    objective_metric_name: str
    metrics: dict[str, float]
    target_metrics: OptionalTargetMetrics = None
    architecture: str
    config: TrialConfig
    params: int
    macs: int
    latency: Latency
    parity: Parity
    weights_sha256: str
    provenance: Provenance
    files: dict[str, str]


class Promotion(Record):
    """`versions/<version>/promotion.json`: why this bundle was promoted, and its test metrics, computed once."""

    schema_version: Literal[1] = 1
    version: str
    experiment: str
    trial: str
    key: str
    metric: float
    objective_metric_name: str
    test_metrics: dict[str, float] | None
    test_thresholds: OptionalThresholds = None
    test_target_metrics: OptionalTargetMetrics = None
    test_rows: int
    promoted_at: str
    promoted_by: str


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


class DataSource(Record):
    """`data/sources/<digest of the source>.json`: which prepared data a source gives."""

    schema_version: Literal[1] = 1
    digest: str
    notes: tuple[str, ...] = ()


class DataDescription(Record):
    """`data/<digest>/data.json`: the meaning of the prepared arrays.

    digest is over the arrays' dtypes, shapes and bytes and the labels. Images are uint8 (N, H, W) or (N, H, W, C),
    signals float32 (N, L) or (N, L, C), rows float32 (N, F). y is int64 class numbers or float32 targets. fit says how
    pictures were brought to their shape, and uploads have to be; None is stretch. columns are those of a table, whose
    arrays hold their features; feature_names are then the columns' names, and missing the texts that mean a gap, in
    lower case. split is the profile's; where a column decides, train_order holds its values by rank, int64 (N,). The
    last validation_rows of the training arrays are those of a validation file; without one, a search draws them.
    target_names are those of several targets, which have no target_name. weight_name is the column or array that the
    weights of rows come from, if they have any.
    """

    schema_version: Literal[1] = 1
    digest: str
    kind: Kind
    task: Task
    shape: tuple[int, ...]
    columns: OptionalColumns = None
    missing: OptionalTexts = None
    split: Annotated[Split | None, Field(exclude_if=lambda split: split is None)] = None
    fit: OptionalFit = None
    labels: tuple[str, ...] | None
    feature_names: tuple[str, ...] | None = None
    target_name: str | None = None
    target_names: OptionalTexts = None
    weight_name: Annotated[str | None, Field(exclude_if=lambda name: name is None)] = None
    train_rows: int
    validation_rows: Annotated[int | None, Field(exclude_if=lambda rows: rows is None)] = None
    test_rows: int
    source: str


class Baseline(Record):
    """A simple model: its scores on the validation rows, and how many rows it learnt from, in how many seconds."""

    name: str
    metrics: dict[str, float]
    rows: int
    seconds: float


class Baselines(Record):
    """`baselines/<digest>.json`: simple models of one data set and split, whose digest names the file."""

    schema_version: Literal[1] = 1
    recipe_version: int
    data_digest: str
    validation_fraction: float
    folds: Folds = None
    seed: int
    class_weights: ClassWeights
    baselines: tuple[Baseline, ...]
    library: str
    made_at: str


class BaselineScore(Record):
    """What a baseline came to by the objective of a search."""

    name: str
    metric: float


OptionalBaselines = Annotated[tuple[BaselineScore, ...], Field(exclude_if=lambda baselines: not baselines)]
"""Best first. Not written if there are none, as before there were baselines."""


class LeaderboardEntry(Record):
    """One trial on the leaderboard; if it cannot be promoted, rank is None and reason says why.

    parameters are as suggested; leaderboards of 0.1.0 have none. objectives, by name, and on_front, whether no other
    trial is better than this by all of them, are written where a search has several.
    """

    rank: int | None
    trial: str
    key: str | None
    parameters: dict[str, str] = {}
    status: Status | Literal["rejected"]
    metric: float | None
    epochs: int
    params: int | None
    macs: int | None
    latency_p50_ms: float | None
    architecture: str | None
    reason: str | None
    objectives: dict[str, float] = Field(default={}, exclude_if=lambda values: not values)
    on_front: bool = Field(default=False, exclude_if=lambda is_on: not is_on)


class AveragedTrial(Record):
    """A trial whose network is in an average, its epochs, and the sha256 of its ONNX file."""

    trial: str
    key: str
    epochs: int
    onnx_sha256: str


class FinishLine(Record):
    """One thing that was tried at the end of a search, and what came of it.

    trial and key are None where there was nothing to try. metric is its value of the objective, best that of the best
    trial that was trained, best_trial. kept: it ranks before that one. reason says why, or why not.
    """

    what: Literal["average"]
    trial: str | None
    key: str | None
    members: tuple[AveragedTrial, ...]
    metric: float | None
    best: float | None
    best_trial: str | None
    kept: bool
    reason: str


OptionalFinish = Annotated[tuple[FinishLine, ...], Field(exclude_if=lambda lines: not lines)]
"""Not written if nothing was tried, as before anything was."""


class TriedTrial(Record):
    """One trial of a search in its report; rank is None if it could not be promoted."""

    trial: str
    rank: int | None
    status: Status | Literal["rejected"]
    metric: float | None
    epochs: int
    params: int | None
    macs: int | None


class ClassScores(Record):
    """Scores of every class, each in the order of the labels; None where there is nothing to compute one from.

    rows are of the class, predicted are taken for it. precision is the share of the latter that is right, recall that
    of the former, f1 their harmonic mean.
    """

    rows: tuple[int, ...]
    predicted: tuple[int, ...]
    precision: tuple[float | None, ...]
    recall: tuple[float | None, ...]
    f1: tuple[float | None, ...]


class Confused(Record):
    """How many rows of one class were taken for another; both are class numbers."""

    truth: int
    predicted: int
    rows: int


class Confidence(Record):
    """Rows with a highest probability above one bound and up to another: its mean, and the share that is right."""

    above: float
    up_to: float
    rows: int
    confidence: float
    accuracy: float


class Residuals(Record):
    """Predictions minus targets. counts are those between the edges; below and above are outside of all.

    quantiles are by share, from "0" (the least) to "1".
    """

    mean: float
    quantiles: dict[str, float]
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    below: int
    above: int


class Mistake(Record):
    """A row of a prepared array with a high loss. truth and predicted are class numbers, or one value a target.

    loss is the cross-entropy, or the mean squared error over the targets; probability is that of the predicted class.
    """

    row: int
    truth: tuple[float, ...]
    predicted: tuple[float, ...]
    loss: float
    probability: float | None = None


class Quality(Record):
    """What a model's scores do not tell of its answers for one part of the rows: where it errs.

    Of classes: their scores; how many of each (first index) were taken for each, None of many classes; the pairs that
    are confused most; how right it is by its confidence. Of targets: residuals. worst are the mistakes of the highest
    loss. array is where their rows are, train_x or test_x. All but the scores of classes is bounded.
    """

    array: Literal["train_x", "test_x"]
    rows: int
    classes: ClassScores | None = None
    confusion: tuple[tuple[int, ...], ...] | None = None
    confused: tuple[Confused, ...] = ()
    calibration: tuple[Confidence, ...] = ()
    residuals: Residuals | None = None
    worst: tuple[Mistake, ...] = ()


class Report(Record):
    """`versions/<version>/report.json`, for people: the search, its trials at the promotion, the winner's curve.

    chosen holds the parameters that were suggested for the promoted trial, or for its parent if it is a tail. The curve
    of a tail begins with its parent's, and its epochs are counted on from there. What the store had lost is empty, or
    None. quality is of the validation and of the test rows; older reports have none, nor have rows that are not there.
    With folds, quality of the validation rows, and what thresholds come to on them, are of the answers of the networks
    of so many folds, each to the rows that it had not learnt from.
    shortfall says that the winner was not trained to its end; written only then.
    """

    schema_version: Literal[1] = 1
    experiment: str
    data: DataDescription | None
    network: str
    objective: Objective
    algorithm: Algorithm
    early_stopping: EarlyStopping
    max_trial_count: int
    max_epochs: int
    budget: Budget
    parameters: tuple[Parameter, ...]
    chosen: dict[str, str]
    folds: Folds = None
    thresholds: OptionalThresholds = None
    target_metrics: OptionalTargetMetrics = None
    trials: tuple[TriedTrial, ...]
    baselines: OptionalBaselines = ()
    finish: OptionalFinish = ()
    curve: tuple[Epoch, ...]
    quality: Annotated[dict[Part, Quality], Field(exclude_if=lambda quality: not quality)] = {}
    shortfall: str | None = Field(default=None, exclude_if=lambda words: words is None)


class Leaderboard(Record):
    """`experiments/<name>/leaderboard.json`."""

    schema_version: Literal[1] = 1
    experiment: str
    objective_metric_name: str
    entries: tuple[LeaderboardEntry, ...]
    baselines: OptionalBaselines = ()
    finish: OptionalFinish = ()
    written_at: str
