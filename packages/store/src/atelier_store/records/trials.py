"""What a trial writes of itself: its configuration, curve, card and rungs, and the baselines of its data."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from atelier_store.records.record import Record
from atelier_store.spec import ClassWeights, sha256_of

Status = Literal["running", "paused", "stopped", "over_budget", "succeeded", "failed"]


Folds = Annotated[int | None, Field(exclude_if=lambda folds: folds is None)]
"""In how many folds the training rows are validated with. Not written if they are not, as before there were folds."""


class Member(Record):
    """A network that another is made from: its trial's key, for how many epochs it was trained, its ONNX's sha256."""

    key: str
    epochs: int
    onnx_sha256: str


BestEpoch = Annotated[int | None, Field(exclude_if=lambda epoch: epoch is None)]
"""The epoch whose weights a bundle has. Written only if they are the best and not the last."""


class BestBy(Record):
    """By which metric an epoch is the best, and in which direction."""

    metric: str
    type: Literal["maximize", "minimize"]


class TrialConfig(Record):
    """`config.json`: the canonical configuration; its digest is the trial's key.

    A tail (parent, parent_epochs and tail_epochs are set) goes on from its parent's weights at that epoch, with a
    learning rate that falls to zero. An average has members, the best first, and is not trained: it has no params, and
    what else it has is that of its best member. With keep_weights a trial keeps those of the best epoch by that, else
    of the last one. With retrained_epochs it is another trial retrained, for so many epochs (of a tail, its parent), on
    training and validation rows, so that none is left to score it on. With mirror_of it answers the mean of what that
    network answers to a picture and to its mirror image; with int8_of it is that network in int8, made last. What else
    they have is of that.

    class_weights are written with the labels whose weight is not 1; they, keep_weights, loss_digest and metric_digests,
    of a loss and metrics of the user's own, only if they are not none, as before they were there.
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
    keep_weights: BestBy | None = Field(default=None, exclude_if=lambda best: best is None)
    loss_digest: str | None = Field(default=None, exclude_if=lambda digest: digest is None)
    metric_digests: dict[str, str] | None = Field(default=None, exclude_if=lambda digests: digests is None)
    parent: str | None = None
    parent_epochs: int | None = None
    tail_epochs: int | None = None
    retrained_epochs: int | None = Field(default=None, exclude_if=lambda epochs: epochs is None)
    members: tuple[Member, ...] | None = Field(default=None, exclude_if=lambda members: members is None)
    mirror_of: Member | None = Field(default=None, exclude_if=lambda member: member is None)
    int8_of: Member | None = Field(default=None, exclude_if=lambda member: member is None)

    @property
    def is_trained(self) -> bool:
        """Whether it is trained, and not made from networks that are."""
        return self.members is None and self.mirror_of is None and self.int8_of is None

    @property
    def origin(self) -> str:
        """The key of the trial whose weights it has: its own, or that of which it is the mirrored or int8 variant."""
        first = self.mirror_of or self.int8_of
        return self.key if first is None else first.key

    @property
    def key(self) -> str:
        """First 16 hex digits of the sha256 of the canonical JSON of all fields that are set but schema_version."""
        return sha256_of(self.model_dump(exclude_none=True, exclude={"schema_version"}))[:16]


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


class Int8(Record):
    """An int8 variant beside the network that it was made from.

    change is its score of the validation rows minus the other's, by metric. latency is by how many times as long it
    takes for one example, both measured in turns; size is that of its ONNX file.
    """

    change: dict[str, float]
    latency: float
    size: float


OptionalInt8 = Annotated[Int8 | None, Field(exclude_if=lambda int8: int8 is None)]
"""Not written of anything else."""


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

    metric is the objective of the weights that the trial keeps, which are those in the bundle: of the last epoch, or of
    the best one if the config says so; metrics are all that was measured of them. best_epoch is where the curve was
    best; cards of 0.1.0 have its value as metric.
    operations counts what the network computes, by kind, where the search asks for latency: it is foretold from these.
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
    metrics: dict[str, float] = Field(default={})
    epochs: int = 0
    params: int | None = None
    macs: int | None = None
    latency: Latency | None = None
    operations: dict[str, float] | None = Field(default=None, exclude_if=lambda counts: counts is None)
    int8: OptionalInt8 = None
    peak_memory_bytes: int | None = Field(default=None, exclude_if=lambda count: count is None)
    weights_sha256: str | None = None
    environment: Environment | None = None
    files: dict[str, str] = Field(default={})
    updated_at: str

    @property
    def value(self) -> float | None:
        """The objective of the weights that the trial keeps, whichever release wrote the card."""
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


class RungValue(Record):
    """`experiments/<name>/rungs/<epoch>/<key>.json`: a trial's objective at that epoch."""

    schema_version: Literal[1] = 1
    key: str
    value: float


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
