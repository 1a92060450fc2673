"""A trained model as a bundle: ONNX with the preprocessing inside, a reference to verify it with, and a manifest."""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from atelier_store.files import publish_folder, sha256_file, write_bytes, write_with
from atelier_store.layout import BundlePaths
from atelier_store.records import Latency, Manifest, Parity
from atelier_store.records import Tensor as TensorRecord
from atelier_store.spec import Task
from numpy.typing import NDArray
from torch import Tensor

from atelier_trainer.model import Answer, Model

OPSET = 18
TRACER_WARNING = "TracerWarning"
INPUT = "input"
REFERENCE_ROWS = 64
LATENCY_RUNS = 50
DATATYPES = {np.dtype(np.uint8): "UINT8", np.dtype(np.float32): "FP32"}


class CannotExport(ValueError):
    """A network that cannot be served as it was trained."""


def to_onnx(model: Model, task: Task, example: Tensor) -> bytes:
    """The model as it is served, in float32, for a batch of any size; example is (1, *shape), raw."""
    return traced(model, task, example)[0]


def traced(model: Model, task: Task, example: Tensor) -> tuple[bytes, list[str]]:
    """What to_onnx gives, and what the tracer warns of: what it cannot follow is a constant in the network served."""
    answer = Answer(model, task).eval().cpu()
    output = output_name(task)
    with (
        warnings.catch_warnings(record=True) as warned,
        contextlib.redirect_stdout(sys.stderr),  # it prints a graph when it fails, where only metrics may be
        tempfile.TemporaryDirectory() as folder,
    ):
        warnings.simplefilter("always")  # the exporter also announces its successor, which takes 7 s instead of 0.3
        torch.onnx.export(
            answer,
            (example,),
            Path(folder) / "network",
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[output],
            dynamic_axes={INPUT: {0: "batch"}, output: {0: "batch"}},
        )
        told = [_told(one) for one in warned if one.category.__name__ == TRACER_WARNING]
        return (Path(folder) / "network").read_bytes(), list(dict.fromkeys(told))


def _told(warning: warnings.WarningMessage) -> str:
    """The first sentence of a warning, and the line that it is about."""
    return f"{str(warning.message).split('. ')[0]} ({Path(warning.filename).name}:{warning.lineno})"


def output_name(task: Task) -> str:
    """The name of a bundle's output."""
    return "probabilities" if task == "classification" else "prediction"


def session(onnx: bytes, threads: int) -> onnxruntime.InferenceSession:
    """ONNX Runtime on the CPU with this many threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])


def measure_latency(onnx: bytes, example: NDArray[Any]) -> Latency:
    """Milliseconds for one example (1, *shape), one thread, after a warm-up."""
    running = session(onnx, threads=1)
    milliseconds = []
    for _ in range(LATENCY_RUNS + 10):
        start = time.perf_counter()
        running.run(None, {INPUT: example})
        milliseconds.append((time.perf_counter() - start) * 1000)
    cuts = statistics.quantiles(milliseconds[10:], n=20)
    return Latency(p50_ms=statistics.median(milliseconds[10:]), p95_ms=cuts[-1])


def parity(onnx: bytes, x: NDArray[Any], expected: NDArray[np.float32], task: Task, threads: int) -> Parity:
    """ONNX Runtime's answers to every row of raw x against torch's."""
    running = session(onnx, threads)
    actual = np.concatenate([running.run(None, {INPUT: x[i : i + 500]})[0] for i in range(0, len(x), 500)])
    equal = bool((actual.argmax(1) == expected.argmax(1)).all()) if task == "classification" else None
    return Parity(rows=len(x), argmax_equal=equal, max_abs_difference=float(np.abs(actual - expected).max()))


def input_tensor(x: NDArray[Any]) -> TensorRecord:
    """Name, type and shape of raw x; -1 is the batch."""
    return TensorRecord(name=INPUT, datatype=DATATYPES[x.dtype], shape=(-1, *x.shape[1:]))


def output_tensor(answers: NDArray[np.float32], task: Task) -> TensorRecord:
    """Name, type and shape of the answers; -1 is the batch."""
    return TensorRecord(name=output_name(task), datatype="FP32", shape=(-1, *answers.shape[1:]))


def write_bundle(
    bundle: BundlePaths, onnx: bytes, x: NDArray[Any], answers: NDArray[np.float32], manifest: Manifest
) -> None:
    """Write the network, the reference (the first rows of raw x and torch's answers) and the manifest: all or nothing.

    The manifest is written with the digests of the other files.
    """
    with publish_folder(bundle.folder) as folder:
        staged = BundlePaths(folder)
        write_bytes(staged.network, onnx)
        reference = {"input": x[:REFERENCE_ROWS], "output": answers[:REFERENCE_ROWS]}
        write_with(staged.reference, lambda file: np.savez(file, allow_pickle=False, **reference))
        files = {path.name: sha256_file(path) for path in staged.contents}
        manifest.model_copy(update={"files": files}).write(staged.manifest)
