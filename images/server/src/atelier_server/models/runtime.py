"""ONNX Runtime as this server uses it: sessions, signatures, batched runs, and the time that they take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from atelier_store import machine
from atelier_store.records import Tensor

BATCH = 256
"""Rows that go through a session at once; bounds the memory of a large request."""

BYTE_SECONDS = 2e-8
"""Approximate seconds to decode a byte of JSON into numbers."""

SHORT = 0.002
"""Seconds of work that the event loop does itself; handing it to a thread and back costs a tenth of that."""

DATATYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "BYTES": np.dtype(object),
}
"""numpy's types by their names in the Open Inference Protocol; BYTES are Python's texts."""

ONNX_NAMES = {"FP16": "float16", "FP32": "float", "FP64": "double", "BYTES": "string"}


def open_session(path: Path, threads: int | None = None) -> ort.InferenceSession:
    """A session on the CPU with this many threads (default: the CPU quota). Raises ONNX Runtime's own exceptions."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or machine.cores()
    options.inter_op_num_threads = 1
    # Spinning threads would take the CPU from other requests.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def signature(session: ort.InferenceSession) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """The network's own inputs and outputs; a symbolic or unknown dimension is -1."""
    return tuple(map(_tensor, session.get_inputs())), tuple(map(_tensor, session.get_outputs()))


def run(session: ort.InferenceSession, inputs: dict[str, np.ndarray], outputs: Sequence[str]) -> list[np.ndarray]:
    """The named outputs for N rows of every input, in batches of at most BATCH rows."""
    rows = max(map(len, inputs.values()))
    if rows <= BATCH:
        results: list[np.ndarray] = session.run(outputs, inputs)
        return results
    parts = [session.run(outputs, batch) for batch in _batches(inputs, rows)]
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


def _batches(inputs: dict[str, np.ndarray], rows: int) -> Iterator[dict[str, np.ndarray]]:
    for start in range(0, rows, BATCH):
        yield {name: array[start : start + BATCH] for name, array in inputs.items()}


def _tensor(node: ort.NodeArg) -> Tensor:
    onnx_name = node.type.removeprefix("tensor(").removesuffix(")")
    datatype = next((name for name in DATATYPES if ONNX_NAMES.get(name, name.lower()) == onnx_name), node.type)
    return Tensor(name=node.name, datatype=datatype, shape=tuple(d if isinstance(d, int) else -1 for d in node.shape))
