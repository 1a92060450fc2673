"""A trained model as a bundle: ONNX with the preprocessing inside, a reference to verify it with, and a manifest."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import onnxruntime
from atelier_store import columns as table
from atelier_store.files import publish_folder, sha256_file, write_bytes, write_with
from atelier_store.layout import BundlePaths
from atelier_store.records import Column, Latency, Manifest, Parity
from atelier_store.records import Tensor as TensorRecord
from atelier_store.spec import Task
from numpy.typing import NDArray
from torch import Tensor

from atelier_trainer import front
from atelier_trainer.model import Answer, Model
from atelier_trainer.tracing import trace

INPUT = table.INPUT
REFERENCE_ROWS = 64
ROUNDS, FEWEST_ROUNDS = 6, 3
"""Rounds in which a latency is measured. What else a shared machine does comes and goes, and a round may miss it."""
APART, LONGEST = 0.06, 0.6
"""Seconds from the beginning of a round to that of the next, and after which there are only the fewest."""
IN_A_ROW, FEWEST_IN_A_ROW = 10, 3
"""Runs of a round."""
DATATYPES = {np.dtype(np.uint8): "UINT8", np.dtype(np.float32): "FP32"}


class CannotExport(ValueError):
    """A network that cannot be served as it was trained."""


def to_onnx(model: Model, task: Task, example: Tensor, columns: Sequence[Column] | None = None) -> bytes:
    """The model as it is served, in float32, for a batch of any size; example is (1, *shape), raw, or features."""
    if columns is None or table.is_numeric(columns):
        return traced(model, task, example)[0]
    return front.to_onnx(Answer(model, task).eval().cpu(), columns, output_name(task, columns))


def inputs(x: NDArray[Any], columns: Sequence[Column] | None) -> table.Inputs:
    """What a bundle is given for raw x, or for the features of a table with columns: an array (N, …) by input."""
    return {INPUT: x} if columns is None else table.inputs(x, columns)


def traced(model: Model, task: Task, example: Tensor) -> tuple[bytes, list[str]]:
    """The model that answers raw rows, or features, and what the tracer warns of."""
    return trace(Answer(model, task).eval().cpu(), [example], [INPUT], output_name(task))


def output_name(task: Task, columns: Sequence[Column] | None = None) -> str:
    """The name of a bundle's output: never that of a column."""
    name, taken = "prediction" if task == "regression" else "probabilities", {c.name for c in columns or ()}
    while name in taken:
        name += "_"
    return name


def session(onnx: bytes, threads: int) -> onnxruntime.InferenceSession:
    """ONNX Runtime on the CPU with this many threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])


def measure_latency(onnx: bytes, example: table.Inputs, decides: bool = True) -> Latency:
    """Milliseconds for the inputs of one example, with one thread: as it is while little else slows this CPU.

    Where nothing is decided by it, it takes no longer than its runs.
    """
    return measure_latencies([onnx], example, APART if decides else 0.0)[0]


def measure_latencies(networks: Sequence[bytes], example: table.Inputs, apart: float = APART) -> list[Latency]:
    """Those of several networks, in turns, so that whatever else the CPU does slows all of them.

    They take some tenths of a second, of slow networks longer. apart are the seconds between beginnings of rounds.
    """
    running = [session(onnx, threads=1) for onnx in networks]
    for one in running:
        _round(one, example)  # to warm up
    rounds: list[list[list[float]]] = [[] for _ in running]
    began = time.perf_counter()
    for number in range(ROUNDS):
        seconds = time.perf_counter() - began
        if number >= FEWEST_ROUNDS and seconds > LONGEST:
            break
        time.sleep(max(0.0, number * apart - seconds))
        for one, of_one in zip(running, rounds, strict=True):
            of_one.append(_round(one, example))
    return list(map(latency_of, rounds))


def _round(one: onnxruntime.InferenceSession, example: table.Inputs) -> list[float]:
    """Milliseconds of each of several runs in a row: as many as make a median, of a slow network the fewest."""
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < IN_A_ROW and (len(times) < FEWEST_IN_A_ROW or time.perf_counter() - began < APART):
        start = time.perf_counter()
        one.run(None, example)
        times.append((time.perf_counter() - start) * 1000)
    return times


def latency_of(rounds: Sequence[Sequence[float]]) -> Latency:
    """The latency by the milliseconds of the runs of each round.

    The 50th percentile is that of the round that was disturbed least: others can only slow a network. The 95th is that
    of all runs, to show what they did.
    """
    p50 = min(map(statistics.median, rounds))
    p95 = statistics.quantiles([one for times in rounds for one in times], n=20)[-1]
    return Latency(p50_ms=p50, p95_ms=max(p50, p95))


def parity(
    onnx: bytes, batches: Iterable[table.Inputs], expected: NDArray[np.float32], task: Task, threads: int
) -> Parity:
    """ONNX Runtime's answers to every row of these inputs, a batch after the other, against torch's."""
    running = session(onnx, threads)
    actual = np.concatenate([running.run(None, batch)[0] for batch in batches])
    equal = bool((actual.argmax(1) == expected.argmax(1)).all()) if task == "classification" else None
    return Parity(rows=len(expected), argmax_equal=equal, max_abs_difference=float(np.abs(actual - expected).max()))


def input_tensors(x: NDArray[Any], columns: Sequence[Column] | None) -> tuple[TensorRecord, ...]:
    """Name, type and shape of every input, of raw x or of a table; -1 is the batch."""
    if columns is not None:
        return table.tensors(columns)
    return (TensorRecord(name=INPUT, datatype=DATATYPES[x.dtype], shape=(-1, *x.shape[1:])),)


def output_tensor(answers: NDArray[np.float32], name: str) -> TensorRecord:
    """Name, type and shape of the answers; -1 is the batch."""
    return TensorRecord(name=name, datatype="FP32", shape=(-1, *answers.shape[1:]))


def reference_rows(x: NDArray[Any], columns: Sequence[Column] | None) -> NDArray[Any]:
    """The first rows of raw x, or features; of a table also a row of gaps, and one of words that nobody has seen."""
    if columns is None:
        return x[:REFERENCE_ROWS]
    rows = np.concatenate([x[:REFERENCE_ROWS], x[:1], x[:1]])
    for column, place in zip(columns, table.places(columns), strict=True):
        rows[-2, place] = table.MISSING if column.kind == "category" else np.nan
        if column.kind == "category":
            rows[-1, place] = table.UNSEEN
    return rows


def write_bundle(
    bundle: BundlePaths, onnx: bytes, given: table.Inputs, answers: NDArray[np.float32], manifest: Manifest
) -> None:
    """Write the network, the reference (inputs and torch's answers to them) and the manifest: all or nothing.

    The manifest is written with the digests of the other files.
    """
    with publish_folder(bundle.folder) as folder:
        staged = BundlePaths(folder)
        write_bytes(staged.network, onnx)
        reference = table.reference(given) | {"output": answers}
        write_with(staged.reference, lambda file: np.savez(file, allow_pickle=False, **reference))
        files = {path.name: sha256_file(path) for path in staged.contents}
        manifest.model_copy(update={"files": files}).write(staged.manifest)
