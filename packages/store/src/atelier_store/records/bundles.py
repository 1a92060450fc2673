"""What a bundle says of its network."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from atelier_store.records.data import OptionalColumns, OptionalFit, OptionalTexts
from atelier_store.records.record import Record
from atelier_store.records.trials import BestEpoch, Environment, Latency, Member, OptionalInt8, TrialConfig
from atelier_store.spec import Kind, Task


class Tensor(Record):
    """One input or output: datatype in the Open Inference Protocol's names (UINT8, FP32, …); -1 is the batch."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class Provenance(Record):
    """Where a bundle comes from. experiment and trial are the first that trained it.

    epochs were trained. The weights are those of best_epoch if the trial keeps the best, else of the last one.
    """

    experiment: str
    spec_digest: str
    data_digest: str
    network_digest: str
    recipe_version: int
    seed: int
    trial: str
    key: str
    epochs: int
    best_epoch: BestEpoch = None
    parents: tuple[str, ...] = ()
    environment: Environment


class Parity(Record):
    """ONNX Runtime against torch on every validation row. argmax_equal is None for regression.

    Of an average: against the mean of what its members' networks answer one by one, which were compared with torch.
    Of a mirrored one: against the mean of what its network answers to pictures, and to their mirror images.
    Of an int8 variant: against the network that it was made from. It may choose other classes, so that argmax_equal is
    None, and its score says whether it should have.
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
    int8: OptionalInt8 = None
    parity: Parity
    weights_sha256: str
    provenance: Provenance
    files: dict[str, str]

    def as_member(self, onnx: str) -> Member:
        """This network, as another that is made from it names it; onnx is the name of its file."""
        epochs = (self.config.parent_epochs or 0) + self.provenance.epochs  # those of a tail's parent among them
        return Member(key=self.config.key, epochs=epochs, onnx_sha256=self.files[onnx])
