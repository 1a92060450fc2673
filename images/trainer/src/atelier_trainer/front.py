"""The front of a table's bundle: from named inputs, words and dates among them, to the features of its columns.

torch cannot read words. So the network is exported with level numbers in the place of words, and an encoder of ONNX's
ai.onnx.ml, which looks a word's number up, is put before each of these inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import onnx
import torch
from atelier_store.columns import DATATYPES, DATE_FEATURES, FIRST_LEVEL, MISSING, UNSEEN
from atelier_store.records import Column
from onnx import TensorProto, helper
from torch import Tensor, nn

from atelier_trainer.columns import calendar
from atelier_trainer.tracing import trace

ML_OPSET = 3
"""Of ai.onnx.ml."""

ELEMENTS = {"FP32": TensorProto.FLOAT, "FP64": TensorProto.DOUBLE, "BYTES": TensorProto.STRING}


class Front(nn.Module):
    """One tensor (N, 1) for each column, of a category the number of its level, to the answers to these rows.

    All dates go through one calendar: a node of a graph costs a row as much as many numbers in it.
    """

    order: Tensor

    def __init__(self, answer: nn.Module, columns: Sequence[Column]) -> None:
        super().__init__()
        self.answer = answer
        self.dates = [number for number, column in enumerate(columns) if column.kind == "date"]
        self.others = [number for number in range(len(columns)) if number not in self.dates]
        width = {number: len(DATE_FEATURES) if number in self.dates else 1 for number in range(len(columns))}
        of_feature = [number for number in (*self.others, *self.dates) for _ in range(width[number])]
        self.register_buffer("order", torch.tensor(of_feature).argsort(stable=True))

    def forward(self, *values: Tensor) -> Tensor:
        parts = [values[number] for number in self.others]
        if not self.dates:
            return cast(Tensor, self.answer(torch.cat(parts, 1)))
        seconds = torch.cat([values[number] for number in self.dates], 1).reshape(-1, 1)
        parts.append(calendar(seconds).reshape(-1, len(self.dates) * len(DATE_FEATURES)))
        return cast(Tensor, self.answer(torch.cat(parts, 1)[:, self.order]))


def to_onnx(answer: nn.Module, columns: Sequence[Column], output: str) -> bytes:
    """The network with an input for each column, for a batch of any size; answer takes features (N, F)."""
    example = [torch.zeros((1, 1), dtype=torch.float64 if c.kind == "date" else torch.float32) for c in columns]
    names = [f"column.{number}" for number in range(len(columns))]
    traced, _ = trace(Front(answer, columns).eval(), example, names, output)
    model = onnx.load_from_string(traced)
    inner = apart_from([column.name for column in columns] + [output], "network/")
    model = onnx.compose.add_prefix(model, inner)
    graph = model.graph
    last = next(node for node in graph.node if f"{inner}{output}" in node.output)
    last.output[list(last.output).index(f"{inner}{output}")] = output
    graph.output[0].name = output
    del graph.input[:]
    encoders = []
    for number, column in enumerate(columns):
        element = ELEMENTS[DATATYPES[column.kind]]
        graph.input.append(helper.make_tensor_value_info(column.name, element, ["batch", 1]))
        inside = f"{inner}column.{number}"
        encoders.append(_encoder(column, inside) if column.kind == "category" else _same(column, inside))
    nodes = [*encoders, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", ML_OPSET))
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _encoder(column: Column, output: str) -> onnx.NodeProto:
    """From a word (N, 1) to the number of its level, as a float."""
    numbers = [MISSING, *range(FIRST_LEVEL, FIRST_LEVEL + len(column.levels))]
    return helper.make_node(
        "LabelEncoder",
        [column.name],
        [output],
        domain="ai.onnx.ml",
        keys_strings=["", *column.levels],
        values_floats=[float(number) for number in numbers],
        default_float=float(UNSEEN),
    )


def _same(column: Column, output: str) -> onnx.NodeProto:
    return helper.make_node("Identity", [column.name], [output])


def apart_from(names: Sequence[str], prefix: str) -> str:
    """A beginning that none of these names has, for the names inside a network: this one if it is free."""
    while any(name.startswith(prefix) for name in names):
        prefix = f"_{prefix}"
    return prefix
