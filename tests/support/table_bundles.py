"""Bundles of tables with words, dates and gaps, as real ONNX networks, until and beside those of the trainer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from atelier_store import columns as table
from atelier_store.columns import Inputs
from atelier_store.records import Column, ColumnStatistics, Tensor
from onnx import TensorProto, helper, numpy_helper

from tests.support.onnx_bundles import LABELS, Bundle, linear, manifest_fields

PASSENGER = (
    Column(name="age", kind="number"),
    Column(name="sex", kind="category", levels=("female", "male")),
    Column(name="port of call", kind="category", levels=("Cherbourg", "Queenstown", "Southampton")),
    Column(name="alone", kind="category", levels=("false", "true")),
    Column(name="fare", kind="number"),
    Column(name="boarded", kind="date"),
)
"""Columns of each kind."""

TYPES = {"FP32": TensorProto.FLOAT, "FP64": TensorProto.DOUBLE, "BYTES": TensorProto.STRING}
YEAR = 366 * 86400.0


@dataclass
class TableBundle(Bundle):
    """A bundle with an input for each column; rows holds the reference inputs."""

    rows: Inputs = field(default_factory=dict)

    @property
    def given(self) -> Inputs:
        return self.rows


def table_bundle(
    seed: int = 0,
    columns: Sequence[Column] = PASSENGER,
    task: str = "classification",
    rows: int = 62,
    labels: tuple[str, ...] = LABELS,
) -> TableBundle:
    """A network that sums what every column says, a gap and an unseen word included, for three classes or one value.

    Its reference has, after so many rows as in training, one of gaps and one of unseen words.
    """
    random = np.random.default_rng(seed)
    features = features_of(columns, rows, random)
    gaps, unseen = features[:1].copy(), features[:1].copy()
    for column, place in zip(columns, table.places(columns), strict=True):
        gaps[:, place] = table.MISSING if column.kind == "category" else np.nan
        unseen[:, place] = table.UNSEEN if column.kind == "category" else unseen[:, place]
    given = table.inputs(np.concatenate([features, gaps, unseen]), columns)
    output, width = ("probabilities", 3) if task == "classification" else ("prediction", 1)
    fields = manifest_fields(
        "rows",
        task,
        seed,
        inputs=table.tensors(columns),
        outputs=(Tensor(name=output, datatype="FP32", shape=(-1, width)),),
        columns=tuple(columns),
        column_statistics=tuple(statistics(features, columns)),
        feature_names=tuple(column.name for column in columns),
        target_name="survived",
    )
    if task == "classification":
        fields["labels"] = labels
    network = sums(columns, random, output, width)
    return TableBundle(network, np.empty((0, 0)), fields, rows=given)


def features_of(columns: Sequence[Column], rows: int, random: np.random.Generator) -> np.ndarray:
    """Rows (N, F) with gaps and unseen words here and there."""
    parts: list[np.ndarray] = []
    for column in columns:
        missing = random.random((rows, 1)) < 0.1
        if column.kind == "number":
            parts.append(np.where(missing, np.nan, random.normal(40, 10, (rows, 1)).round(2)))
        elif column.kind == "category":
            parts.append(np.where(missing, table.MISSING, random.integers(1, 2 + len(column.levels), (rows, 1))))
        else:
            hours = random.integers(0, 24 * 3650, (rows, 1)) * 3600.0
            parts.append(table.date_features(np.where(missing, np.nan, hours)[:, 0]))
    return np.concatenate(parts, axis=1, dtype=np.float32)


def statistics(features: np.ndarray, columns: Sequence[Column]) -> list[ColumnStatistics]:
    """What these rows hold of each column."""
    found = []
    for column, place in zip(columns, table.places(columns), strict=True):
        of = features[:, place]
        if column.kind == "category":
            shares = np.bincount(of[:, 0].astype(int), minlength=2 + len(column.levels)) / len(of)
            found.append(ColumnStatistics(count=len(of), missing=shares[0], shares=tuple(shares.tolist())))
            continue
        values = table.values(of, column).astype(np.float64)
        missing = float(np.isnan(values).mean())
        found.append(
            ColumnStatistics(count=len(of), missing=missing, mean=np.nanmean(values), std=float(np.nanstd(values)))
        )
    return found


def sums(columns: Sequence[Column], random: np.random.Generator, output: str, width: int) -> onnx.ModelProto:
    """Every column as numbers beside each other, times weights."""
    if table.is_numeric(columns):
        return numeric(len(columns), random, output, width)
    nodes: list[Any] = []
    parts: list[str] = []
    for kind, unit in (("number", "ten"), ("date", "year")):
        if given := [column.name for column in columns if column.kind == kind]:
            nodes += [
                helper.make_node("Concat", given, [f"{kind}s"], axis=1),
                helper.make_node("IsNaN", [f"{kind}s"], [f"{kind}s missing"]),
                helper.make_node("Cast", [f"{kind}s"], [f"{kind}s cast"], to=TensorProto.FLOAT),
                helper.make_node("Div", [f"{kind}s cast", unit], [f"{kind}s small"]),
                helper.make_node("Where", [f"{kind}s missing", "gap", f"{kind}s small"], [f"{kind}s filled"]),
            ]
            parts.append(f"{kind}s filled")
    for column in columns:
        if column.kind == "category":
            keys = ["", *column.levels]
            numbers = [0.0, *(2.0 + place for place in range(len(column.levels)))]
            parts.append(f"level of {column.name}")
            encoder: dict[str, Any] = {"keys_strings": keys, "values_floats": numbers, "default_float": 1.0}
            nodes.append(helper.make_node("LabelEncoder", [column.name], parts[-1:], domain="ai.onnx.ml", **encoder))
    nodes.append(helper.make_node("Concat", parts, ["together"], axis=1))
    nodes.append(helper.make_node("MatMul", ["together", "weights"], ["products" if width > 1 else output]))
    if width > 1:
        nodes.append(helper.make_node("Softmax", ["products"], [output], axis=1))
    constants: dict[str, np.ndarray] = {
        "year": np.array([YEAR], np.float32),
        "ten": np.array([10], np.float32),
        "gap": np.array([-1], np.float32),
        "weights": random.normal(size=(len(columns), width)).astype(np.float32) / 3,
    }
    used = {name: array for name, array in constants.items() if any(name in node.input for node in nodes)}
    return model(nodes, table.tensors(columns), output, width, used)


def numeric(count: int, random: np.random.Generator, output: str, width: int) -> onnx.ModelProto:
    """Numbers with NaN for a gap."""
    weights = random.normal(size=(count, width)) / 10
    network = linear(TensorProto.FLOAT, (count,), weights, output, softmax=width > 1)
    gap = numpy_helper.from_array(np.array([-1], np.float32), "gap")
    network.graph.initializer.append(gap)
    where = [
        helper.make_node("IsNaN", ["flat"], ["is gap"]),
        helper.make_node("Where", ["is gap", "gap", "flat"], ["filled"]),
    ]
    for place, node in enumerate(where):
        network.graph.node.insert(2 + place, node)
    network.graph.node[4].input[0] = "filled"
    return network


def model(
    nodes: list[Any], inputs: Sequence[Tensor], output: str, width: int, constants: dict[str, np.ndarray]
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "table",
        [helper.make_tensor_value_info(one.name, TYPES[one.datatype], ["rows", *one.shape[1:]]) for one in inputs],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["rows", width])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 4)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)
