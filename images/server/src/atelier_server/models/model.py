"""A promoted bundle that is loaded, verified and warm."""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import onnxruntime as ort
from atelier_store.layout import BundlePaths, ModelPaths, VersionPaths
from atelier_store.records import Manifest, Promotion, Report, Tensor

from atelier_server.inference.threads import SHORT
from atelier_server.models import drift, runtime
from atelier_server.models.verification import verify

WARM_UP_RUNS = 3
TOGETHER = (2, 4, 8)
"""Rows of different requests that may go through a network at once."""

WORTH = 5e-5
"""Seconds that a row has to gain by it: several times what coming together takes."""

SESSION_BYTES = 4 * 2**20


class BadBundle(ValueError):
    """A version that must not be served; the message lists every problem."""


class Row(NamedTuple):
    """One row of an input: its shape, as JSON has it, how many numbers it has, and the bytes of each."""

    datatype: str
    shape: list[int]
    values: int
    item_size: int


class Example(NamedTuple):
    """The first of the reference inputs, shape (1, …), and what the model gives for it by output."""

    given: np.ndarray
    outputs: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Model:
    """Immutable, and equal to itself alone: a request that began with one version ends with it, whatever is promoted meanwhile.

    row_seconds is how long one row took when it was loaded; together is how many rows of different requests go through the network at
    once, 1 where that is not faster.
    """

    name: str
    version: str
    manifest: Manifest
    promotion: Promotion | None
    report: Report | None
    onnx_bytes: int
    session: ort.InferenceSession
    row_seconds: float
    together: int
    example: Example

    @property
    def size(self) -> int:
        """What it counts for in memory, in bytes: weights as they are and as ONNX Runtime packs them, and the session."""
        return SESSION_BYTES + 2 * self.onnx_bytes

    @property
    def input(self) -> Tensor:
        """The one input that the friendly endpoint fills."""
        return self.manifest.inputs[0]

    @property
    def output(self) -> Tensor:
        """The one output that the friendly endpoint tells of."""
        return self.manifest.outputs[0]

    @cached_property
    def inputs(self) -> dict[str, Tensor]:
        """The inputs by name."""
        return {tensor.name: tensor for tensor in self.manifest.inputs}

    @cached_property
    def outputs(self) -> dict[str, Tensor]:
        """The outputs by name."""
        return {tensor.name: tensor for tensor in self.manifest.outputs}

    @cached_property
    def rows(self) -> dict[str, Row]:
        """The rows of the inputs by name."""
        return {
            tensor.name: Row(
                tensor.datatype,
                list(tensor.shape[1:]),
                math.prod(tensor.shape[1:]),
                runtime.DATATYPES[tensor.datatype].itemsize,
            )
            for tensor in self.manifest.inputs
        }

    @cached_property
    def training(self) -> drift.Training | None:
        """What the first input is compared with, if the bundle says what the training set was like."""
        return drift.training(self.manifest)

    @cached_property
    def row_bytes(self) -> int:
        """The fewest bytes of JSON that one row of all inputs is: a digit and a comma for each number."""
        return 2 * sum(row.values for row in self.rows.values())

    def seconds(self, body: int) -> float:
        """About how long a request of this many bytes takes at most."""
        return runtime.BYTE_SECONDS * body + self.row_seconds * max(1.0, body / self.row_bytes)

    def run(self, inputs: dict[str, np.ndarray], outputs: list[str] | None = None) -> dict[str, np.ndarray]:
        """The named outputs (default: all) for N rows of every input."""
        names = outputs or list(self.outputs)
        return dict(zip(names, runtime.run(self.session, inputs, names), strict=True))


def load(paths: ModelPaths, version: str, manifest_sha256: str | None = None, threads: int | None = None) -> Model:
    """The version, verified and warm, for sessions with this many threads (default: the CPU quota).

    The digest of its manifest begins with its name, and is the one given. Raises BadBundle if it must not be served; OSError or TornRecord
    if it cannot be read.
    """
    bundle = paths.version(version)
    manifest = _manifest(bundle, manifest_sha256)
    if problems := verify(bundle, manifest):
        raise BadBundle(f"{bundle.folder}: {'; '.join(problems)}")
    session = runtime.open_session(bundle.network, threads)
    row_seconds, example = _warm_up(session, manifest, bundle)
    return Model(
        name=paths.name,
        version=version,
        manifest=manifest,
        promotion=Promotion.read_if_whole(bundle.promotion),
        report=Report.read_if_whole(bundle.report),
        onnx_bytes=bundle.network.stat().st_size,
        session=session,
        row_seconds=row_seconds,
        together=_together(session, manifest, example.given, row_seconds),
        example=example,
    )


def _manifest(bundle: VersionPaths, expected: str | None) -> Manifest:
    path = bundle.manifest
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if expected is not None and digest != expected:
        raise BadBundle(f"{path}: its sha256 is not the one that current.json names")
    if digest[: len(bundle.version)] != bundle.version:
        raise BadBundle(f"{path}: its sha256 is not the one that names this version")
    return Manifest.read(path)


def _warm_up(session: ort.InferenceSession, manifest: Manifest, bundle: BundlePaths) -> tuple[float, Example]:
    """Seconds that one row takes, once it has taken all memory it needs; and that row."""
    with np.load(bundle.reference, allow_pickle=False) as reference:
        given = reference["input"][:1].copy()
    seconds, gives = _timed(session, manifest, given)
    return seconds, Example(given, gives)


def _timed(session: ort.InferenceSession, manifest: Manifest, rows: np.ndarray) -> tuple[float, dict[str, np.ndarray]]:
    """The least seconds that these rows took, and all outputs for them."""
    outputs = [tensor.name for tensor in manifest.outputs]
    seconds = []
    for _ in range(WARM_UP_RUNS):
        started = time.perf_counter()
        gives = runtime.run(session, {manifest.inputs[0].name: rows}, outputs)
        seconds.append(time.perf_counter() - started)
    return min(seconds), dict(zip(outputs, gives, strict=True))


def _together(session: ort.InferenceSession, manifest: Manifest, row: np.ndarray, row_seconds: float) -> int:
    """The number of rows at once that takes the least time for each; 1 unless they gain more than coming together takes."""
    best, least = 1, row_seconds - WORTH
    for count in TOGETHER:
        if (
            least <= 0
            or count * row_seconds > 2 * SHORT
            or any(t.shape[0] != -1 for t in (*manifest.inputs, *manifest.outputs))
        ):
            break
        seconds = _timed(session, manifest, np.repeat(row, count, axis=0))[0] / count
        if seconds < least:
            best, least = count, seconds
    return best
