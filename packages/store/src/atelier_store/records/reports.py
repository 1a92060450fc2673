"""What a promotion writes for people: the search, and where the model errs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from atelier_store.records.bundles import OptionalTargetMetrics, OptionalThresholds
from atelier_store.records.data import DataDescription
from atelier_store.records.record import Record
from atelier_store.records.searches import OptionalBaselines, OptionalFinish
from atelier_store.records.trials import Epoch, Folds, Status
from atelier_store.spec import Algorithm, Budget, EarlyStopping, Objective, Parameter

Part = Literal["validation", "test"]


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
    quality: dict[Part, Quality] = Field(default={}, exclude_if=lambda quality: not quality)
    shortfall: str | None = Field(default=None, exclude_if=lambda words: words is None)
