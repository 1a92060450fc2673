"""A trained network in int8: weights and activations of its layers as whole numbers of eight bits.

Ranges of activations are those of training rows (Jacob et al. 2018, Quantization and Training of Neural Networks for
Efficient Integer-Arithmetic-Only Inference), and ONNX Runtime does the rest.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from atelier_store import columns as table
from atelier_store.records import Card, Int8, Member
from onnxruntime.quantization import CalibrationDataReader, QuantType, quant_pre_process, quantize_static

from atelier_trainer import export
from atelier_trainer.cost import Cost
from atelier_trainer.making import Made, Making, Source

ROWS = 512
"""Training rows that say in which range activations are, spread over all of them."""

LAYERS = ("Conv", "Gemm", "MatMul")
"""Operations with weights."""


class Quantizing(Making):
    """A run that brings the network of another trial to int8."""

    @property
    def members(self) -> Sequence[Member]:
        of = self.trial.config.int8_of
        assert of is not None
        return (of,)

    def make(self, source: Source) -> Card:
        """Bring it to int8 and measure both; it is kept if it is within the budget."""
        (network,), (manifest,), training = source.networks, source.manifests, source.training
        chosen = training[np.linspace(0, len(training) - 1, min(ROWS, len(training))).round().astype(np.int64)]
        quantized = quantize(network, self.inputs(self.examples(source, chosen)))
        before, after = export.measure_latencies([network, quantized], self.first_input(source))
        if (over := self.over_budget(Cost(manifest.params, manifest.macs, after))) is not None:
            return over
        answers = self.answers([quantized], self.inputs(self.examples(source, source.validation)))
        metrics = self.scores(answers, source)
        return self.keep(
            source,
            Made(
                onnx=quantized,
                architecture=f"{manifest.architecture}, in int8",
                weights_sha256=sha256(quantized).hexdigest(),
                of={"parents": (self.members[0].key, *manifest.provenance.parents)},
                int8=Int8(
                    change={name: value - manifest.metrics[name] for name, value in metrics.items()},
                    latency=after.p50_ms / before.p50_ms,
                    size=len(quantized) / len(network),
                ),
            ),
        )


def quantize(network: bytes, batches: Iterable[table.Inputs]) -> bytes:
    """The network with what lies from its first layer up to its last one in int8, by the ranges of these inputs.

    Before it are the words, dates and scales of a table, and after it the answer, which eight bits would coarsen.
    Weights have seven bits: two products of eight bits may not fit into sixteen, where a CPU without instructions for
    whole numbers cuts their sum off, and would answer otherwise. ValueError if there is no layer before the last one.
    """
    with tempfile.TemporaryDirectory() as folder:
        prepared, quantized = Path(folder) / "prepared.onnx", Path(folder) / "quantized.onnx"
        quant_pre_process(onnx.load_from_string(network), prepared, skip_symbolic_shape=True)
        model = onnx.load(prepared)
        inside = between_layers(model.graph)
        if not inside:
            raise ValueError("there is no layer before the last one, so nothing to bring to int8")
        root = logging.getLogger()
        level = root.level
        root.setLevel(logging.ERROR)  # it warns of what it does not need to know
        try:
            quantize_static(
                model,
                quantized,
                Calibration(batches),
                nodes_to_quantize=inside,
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        finally:
            root.setLevel(level)
        return _without_unused_opsets(onnx.load(quantized)).SerializeToString()


def _without_unused_opsets(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model that names only the sets of operators that it has any of, not all that ONNX Runtime knows."""
    used = {node.domain for node in model.graph.node} | {""}
    opsets = [opset for opset in model.opset_import if opset.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    onnx.checker.check_model(model)
    return model


def between_layers(graph: onnx.GraphProto) -> list[str]:
    """The names of the layers but the last, and of what lies between them; nodes without a name get one."""
    for number, node in enumerate(graph.node):
        node.name = node.name or f"node{number}"
    after: set[str] = set()  # tensors that come from a layer
    behind = []
    for node in graph.node:
        if node.op_type in LAYERS or after.intersection(node.input):
            after.update(node.output)
            behind.append(node)
    before: set[str] = set()  # tensors that go into a layer
    inside = []
    for node in reversed(behind):
        if before.intersection(node.output):
            inside.append(node.name)
            before.update(node.input)
        if node.op_type in LAYERS:
            before.update(node.input)
    return inside[::-1]


class Calibration(CalibrationDataReader):  # type: ignore[misc]  # it has no types
    """Inputs that a network is given to see the ranges of its activations."""

    def __init__(self, batches: Iterable[table.Inputs]) -> None:
        self._batches = iter(batches)

    def get_next(self) -> dict[str, Any] | None:
        """The inputs of the next batch; None after the last."""
        return next(self._batches, None)
