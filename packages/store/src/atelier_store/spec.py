"""The resolved profile: the values that a search depends on, as `spec.json` keeps them.

Field names are the values' keys in snake case: `trainer.maxEpochs` is `Spec.trainer.max_epochs`. JSON has the values'
names.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from pydantic.alias_generators import to_camel

from atelier_store import names, sealed
from atelier_store.files import write_text

AlgorithmName = Literal[
    "atelier", "random", "tpe", "multivariate-tpe", "grid", "cmaes", "sobol", "bayesianoptimization"
]
"""Katib's names; `atelier` is the searcher of this project, on a cluster as a suggestion service of its own."""
Decisions = Literal["by-jobs", "by-epochs"]
"""Which results a decision of several trials at a time sees on one machine: those of all but the last jobs (releases up
to 0.1, and searches that they began), or of those that have ended by a clock of epochs."""
EarlyStoppingName = Literal["halving", "medianstop", "none"]
Proxy = Literal["synflow", "naswot", "params", "macs"]
"""A score of an untrained network; atelier_trainer/proxies.py says what each is."""

SourceName = Literal["sklearn", "npz", "idx", "images", "csv", "table"]
OWN_FUNCTION = "[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*"
OwnFunction = Annotated[str, Field(pattern=f"^{OWN_FUNCTION}$")]
"""A function of the user's own, as module:function."""

Kind = Literal["images", "signals", "rows"]
Task = Literal["classification", "multilabel", "regression"]
"""One class of several; any number of labels, each given or not; numbers."""

KeepWeights = Literal["last", "best"]
"""Of which epoch a trial keeps the weights; keeping.py says more."""

ClassWeights = Literal["none", "balanced"] | dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]]
"""How much a row of each class weighs in the loss of training; by label, 1 where nothing is said."""

SHARE = r"0?\.[0-9]*[1-9][0-9]*"
"""A number above 0 and below 1, as text."""
THRESHOLD_RULE = rf"f1|balanced_accuracy|(recall|precision)>=({SHARE}|1(\.0*)?)"
ThresholdRule = Annotated[float, Field(gt=0, lt=1)] | Annotated[str, Field(pattern=rf"^({THRESHOLD_RULE})$")]
"""How the threshold of a classifier of two classes is chosen, or the threshold itself; thresholds.py says more."""

ColumnKind = Literal["number", "category", "date"]
ColumnChoice = Literal["number", "category", "date", "drop"]
SplitBy = Literal["stratified", "random", "group", "time"]
Fit = Literal["stretch", "crop", "pad"]
"""How a picture is brought to another size: without regard to aspect, by its middle, or whole with white beside it."""
FAILED_TRIALS = 3
"""What maxFailedTrialCount: auto is, unless there are fewer trials."""


def has_channels(kind: Kind, shape: Sequence[int]) -> bool:
    """Whether the last dimension of an example is its channels: images (H, W, C), signals (L, C); else it has one."""
    return len(shape) == {"images": 3, "signals": 2}.get(kind)


class SpecModel(BaseModel):
    """Immutable; rejects unknown keys; reads both spellings of a name, writes the values' spelling."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class Setting(SpecModel):
    """One algorithm setting, as Katib has it: value is always a string."""

    name: str
    value: str


class Aim(SpecModel):
    """In which direction a value is better, and when it is good enough."""

    if TYPE_CHECKING:  # each model has them in its own place, as spec.json was always written
        type: Literal["maximize", "minimize"]
        goal: float | None

    def better(self, a: float, b: float) -> bool:
        """Whether value a is strictly better than value b."""
        return a > b if self.type == "maximize" else a < b

    def reaches(self, value: float) -> bool:
        """Whether a trial's value is as good as the goal, if there is one."""
        return self.goal is not None and not self.better(self.goal, value)

    def rank_key(self, value: float) -> float:
        """A sort key that puts the best value first."""
        return -value if self.type == "maximize" else value

    @property
    def worst(self) -> float:
        """A value than which none is worse."""
        return -math.inf if self.type == "maximize" else math.inf


def at_test(metric: str) -> str:
    """The name of a metric of the validation rows where it is of the test rows: `test_accuracy` of `val_accuracy`."""
    return f"test_{metric.removeprefix('val_')}"


class Objective(Aim):
    """What the search optimizes; the names are Katib's."""

    type: Literal["maximize", "minimize"] = "maximize"
    objective_metric_name: str = "val_accuracy"
    goal: float | None = None
    additional_metric_names: tuple[str, ...] = ()


class OtherObjective(Aim):
    """What counts beside the objective: a cost of the network, or another metric of its task.

    A network that reaches the goal is chosen before one that does not.
    """

    metric: str
    type: Literal["maximize", "minimize"] = "minimize"
    goal: float | None = None


class Algorithm(SpecModel):
    """The algorithm that suggests parameters, by its name in Katib."""

    algorithm_name: AlgorithmName = "multivariate-tpe"
    algorithm_settings: tuple[Setting, ...] = ()


class EarlyStopping(SpecModel):
    """When a poor trial ends; `halving` is ours, `medianstop` is Katib's."""

    algorithm_name: EarlyStoppingName = "halving"
    algorithm_settings: tuple[Setting, ...] = ()

    @property
    def eta(self) -> int:
        """Of halving: one of so many trials goes on at a rung, and so many times further is the next rung."""
        return self._setting("eta", 3)

    @property
    def min_epochs(self) -> int:
        """Of halving: the first rung."""
        return self._setting("min_epochs", 3)

    def _setting(self, name: str, default: int) -> int:
        return next((int(setting.value) for setting in self.algorithm_settings if setting.name == name), default)


class FeasibleSpace(SpecModel):
    """Katib's feasible space; every number is a string."""

    min: str | None = None
    max: str | None = None
    step: str | None = None
    list: tuple[str, ...] | None = None
    distribution: Literal["uniform", "logUniform", "normal", "logNormal"] | None = None


class Parameter(SpecModel):
    """One dimension of the search space, as Katib has it."""

    name: str
    parameter_type: Literal["int", "double", "categorical", "discrete"]
    feasible_space: FeasibleSpace


class Shortlist(SpecModel):
    """How many networks of the space are scored before any is trained, and by what."""

    candidates: int = Field(default=1000, ge=20, le=20_000)
    proxies: tuple[Proxy, ...] = Field(default=("synflow", "naswot"), min_length=1)


class Experience(SpecModel):
    """Whether a search learns from earlier ones: of its own store, and of those in these folders."""

    enabled: bool = False
    stores: tuple[str, ...] = ()


class StopWhen(SpecModel):
    """What ends a search before its counts do; None is nothing."""

    expected_gain_below: float | None = Field(default=None, gt=0)


class Experiment(SpecModel):
    """The search: objectives, algorithm, search space, counts, and when it ends.

    objectives are those beside the objective. tolerance is how much worse than the best by the objective a winner may
    be that is better by them. They and stop_when are written if they are set, experience if it is enabled.
    """

    name: str
    objective: Objective = Objective()
    objectives: tuple[OtherObjective, ...] = Field(default=(), exclude_if=lambda others: not others)
    tolerance: float = Field(default=0, ge=0, exclude_if=lambda tolerance: tolerance == 0)
    algorithm: Algorithm = Algorithm()
    early_stopping: EarlyStopping = EarlyStopping()
    parameters: tuple[Parameter, ...]
    parallel_trial_count: int | Literal["auto"] = "auto"
    max_trial_count: int = Field(ge=1)
    max_failed_trial_count: int = Field(ge=0)
    shortlist: Shortlist | None = Field(default=None, exclude_if=lambda chosen: chosen is None)
    experience: Experience = Field(default=Experience(), exclude_if=lambda chosen: not chosen.enabled)
    stop_when: StopWhen = Field(default=StopWhen(), exclude_if=lambda when: when == StopWhen())


class DataFile(SpecModel):
    """One file of the data: a path, or a URL with the sha256 of its content.

    headers_from names variables of the environment, whose values are headers of the request for the URL.
    """

    path: str | None = None
    url: str | None = None
    sha256: str | None = None
    headers_from: dict[str, str] | None = Field(default=None, exclude_if=lambda headers: headers is None)


class PictureShape(SpecModel):
    """What pictures of a folder or archive become: size is (height, width)."""

    size: tuple[PositiveInt, PositiveInt] | Literal["auto"] = "auto"
    channels: Literal[1, 3, "auto"] = "auto"
    fit: Fit = "stretch"


class TableFormat(SpecModel):
    """How the files of a table are written; what is None is found by looking.

    missing holds the texts that mean a gap, in any case of letters, beside the empty one.
    """

    delimiter: Literal[",", ";", "tab", "|", "space"] | None = None
    decimal: Literal[".", ","] | None = None
    thousands: Literal[",", ".", "space", "'"] | None = None
    encoding: str | None = None
    comment: str | None = Field(default=None, min_length=1, max_length=1)
    header: bool | None = None
    missing: tuple[str, ...] | None = None


class Split(SpecModel):
    """How examples are parted into those for training, validation and testing.

    stratified: each class in its share; random; group: all rows with one value of a table's column into one part; time:
    the rows with the largest values of the column for the test, those before them for the validation.
    """

    by: SplitBy
    column: str | None = None

    @property
    def is_ordered(self) -> bool:
        """Whether a column decides."""
        return self.by in ("group", "time")


def _unset(value: Any) -> bool:
    """Whether a field is left out when it is written: it was added later, and old specs keep their digest."""
    return value is None


class Data(SpecModel):
    """Where examples come from and how they are split.

    source may be a function of the user's own. files has the roles train and, optionally, validation and test for npz,
    csv, table and images, of which each may have a table of labels, such as trainLabels; trainImages, trainLabels and
    likewise for idx; any for a function. With a validation file or folds, validation_fraction is not used. image and
    on_unreadable are for images only, columns and table for tables only; None is the defaults, or fail. columns says
    what a column is where that is not to be found by looking. Several targets are for multilabel and regression. weight
    is the column or array of the rows' weights. A split of None is stratified for classes, else random.
    """

    source: SourceName | OwnFunction
    name: str | None = None
    kind: Kind | Literal["auto"] = "auto"
    task: Task = "classification"
    files: dict[str, DataFile] = {}
    target: str | tuple[str, ...] | None = None
    weight: str | None = Field(default=None, exclude_if=_unset)
    labels: tuple[str, ...] | None = None
    limit: int | None = Field(default=None, ge=1)
    validation_fraction: float = Field(default=0.2, gt=0, lt=1)
    folds: int | None = Field(default=None, ge=2, exclude_if=_unset)
    test_fraction: float = Field(default=0.2, gt=0, lt=1)
    image: PictureShape | None = Field(default=None, exclude_if=_unset)
    on_unreadable: Literal["fail", "skip"] | None = Field(default=None, exclude_if=lambda choice: choice != "skip")
    columns: dict[str, ColumnChoice] | None = Field(default=None, exclude_if=_unset)
    table: TableFormat | None = Field(default=None, exclude_if=_unset)
    split: Split | None = Field(default=None, exclude_if=_unset)

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns to predict."""
        return (self.target,) if isinstance(self.target, str) else self.target or ()

    @property
    def function(self) -> str | None:
        """The source, if it is a function of the user's own."""
        return self.source if ":" in self.source else None

    @property
    def words(self) -> str:
        """The source and the names of its files, for people."""
        names = (Path(file.path or urlsplit(file.url or "").path).name for file in self.files.values())
        return " ".join([self.source, *([self.name] if self.name else []), *names])


class Budget(SpecModel):
    """Upper bounds on the cost of a network; None is no bound."""

    params: int | None = Field(default=None, ge=1)
    macs: int | None = Field(default=None, ge=1)
    latency_ms: float | None = Field(default=None, gt=0)


class Finish(SpecModel):
    """What is tried at the end of a search, beside a tail; None is nothing. average: of so many of the best trials.

    mirror: of pictures, what would be promoted, answering the mean over a picture and its mirror image. retrain: the
    winner on training and validation rows, and when that takes its place: always, or if it is not worse on the test
    rows (neverWorse). int8: the winner in int8, and by how much worse it may be by the objective to take its
    place, if it is faster.
    """

    average: int | None = Field(default=None, ge=2)
    mirror: bool = Field(default=False, exclude_if=lambda mirror: not mirror)
    retrain: Literal["always", "neverWorse"] | None = Field(default=None, exclude_if=_unset)
    int8: float | None = Field(default=None, ge=0, exclude_if=_unset)


class Trainer(SpecModel):
    """How a trial trains, and by which threshold its model tells two classes apart.

    keep_weights, finish, class_weights, loss, metrics and threshold are written only if they are not the default, as
    before they were there.
    """

    data: Data
    max_epochs: int = Field(ge=1)
    tail_epochs: int = Field(default=0, ge=0)
    keep_weights: KeepWeights = Field(default="last", exclude_if=lambda which: which == "last")
    finish: Finish = Field(default=Finish(), exclude_if=lambda finish: finish == Finish())
    seed: int = Field(default=0, ge=0, lt=2**31)
    class_weights: ClassWeights = Field(default="none", exclude_if=lambda weights: weights == "none")
    loss: OwnFunction | None = Field(default=None, exclude_if=_unset)
    metrics: dict[str, OwnFunction] | None = Field(default=None, exclude_if=lambda metrics: not metrics)
    threshold: ThresholdRule | None = Field(default=None, exclude_if=_unset)
    network: str = "atelier"
    budget: Budget = Budget()


class Spec(SpecModel):
    """`experiments/<name>/spec.json`: everything that a trial depends on, and nothing about where it runs.

    name is the experiment's whole name if a cluster has named it, which is then its name in Katib too.
    decisions is of one machine, and no value of a profile: a search keeps what it began with.
    """

    schema_version: Literal[1] = 1
    name: str = Field(default="", pattern=f"^({names.EXPERIMENT.pattern})?$")
    experiment: Experiment
    trainer: Trainer
    decisions: Decisions = Field(default="by-jobs", exclude_if=lambda kind: kind == "by-jobs")

    def write(self, path: Path) -> None:
        """Write to path, atomically, in the values' spelling, with its digest; of urls what may be public."""
        files = {
            role: file.model_copy(update={"url": file.url and public_url(file.url)})
            for role, file in self.trainer.data.files.items()
        }
        data = self.trainer.data.model_copy(update={"files": files})
        public = self.model_copy(update={"trainer": self.trainer.model_copy(update={"data": data})})
        write_text(path, sealed.document(public.model_dump_json(by_alias=True, indent=2)))

    @classmethod
    def read(cls, path: Path) -> Spec:
        """The spec at path.

        FileNotFoundError; ValueError if it is not one (pydantic's ValidationError), or not as it was written (Altered,
        which names path).
        """
        try:
            return cls.model_validate_json(sealed.read_document(path.read_bytes()))
        except sealed.Altered as error:
            raise sealed.Altered(path) from error

    @property
    def experiment_name(self) -> str:
        """The name if it is set, else the profile's name and part of the search digest; Katib allows 40 characters."""
        return self.name or f"{self.experiment.name[:31].rstrip('-')}-{self.search_digest[:8]}"

    @property
    def asks_for_latency(self) -> bool:
        """Whether it bounds the latency of a network, or has it as an objective."""
        metrics = [other.metric for other in self.experiment.objectives]
        return self.trainer.budget.latency_ms is not None or "latencyMs" in metrics

    @property
    def search_digest(self) -> str:
        """sha256 of everything that makes it another search.

        Not counts, when it stops, epochs, what is tried at its end, parallelism or the threshold.
        """
        spec = self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"name", "decisions"})
        for counter in ("parallelTrialCount", "maxTrialCount", "maxFailedTrialCount", "stopWhen", "tolerance", "name"):
            spec["experiment"].pop(counter, None)
        for other in ("maxEpochs", "tailEpochs", "finish", "threshold"):
            spec["trainer"].pop(other, None)
        for file in spec["trainer"]["data"]["files"].values():
            if "sha256" in file:  # the content counts, not where it is read from
                file.pop("path", None), file.pop("url", None), file.pop("headersFrom", None)
        return sha256_of(spec)


def public_url(url: str) -> str:
    """The url without user, password, query and fragment, any of which may be a secret; of what is no url as well.

    The chart's atelier.public.url does the same.
    """
    return re.sub(r"^([A-Za-z][A-Za-z0-9+.-]*:/+|/+)?[^/]*@", r"\1", re.sub(r"(?s)[?#].*", "", url))


def canonical_json(value: Any) -> str:
    """JSON with one spelling per value: sorted keys, no spaces, ASCII, finite numbers only.

    Raises ValueError on NaN and infinity.
    """
    return json.dumps(_whole(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _whole(value: Any) -> Any:
    """The same value with 1.0 as 1, so that a number has one spelling."""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {key: _whole(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_whole(inner) for inner in value]
    return value


def sha256_of(value: Any) -> str:
    """sha256, in hex, of the canonical JSON of value."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
