"""A promoted bundle that is loaded, verified and warm."""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime as ort
from atelier_store.bundle import reference
from atelier_store.layout import BundlePaths, ModelPaths, VersionPaths
from atelier_store.records import Manifest, Promotion, Report, Tensor

from atelier_server.models import column_drift, drift, runtime, signatures
from atelier_server.models.errors import BadBundle
from atelier_server.models.runtime import SHORT
from atelier_server.models.verification import open_verified

WARM_UP_RUNS = 3
TOGETHER = (2, 4, 8)
"""Rows of different requests that may go through a network at once."""

WORTH = 5e-5
"""Seconds that a row has to gain by it: several times the overhead of a batch."""

SESSION_BYTES = 4 * 2**20
"""Approximate memory of a session beside its weights."""


class Row(NamedTuple):
    """One row of an input: the shapes that it may have, as lists, its number of values, and the bytes of each.

    item_size is None for texts, which differ in theirs; gap is a word for a gap, None where there can be none.
    """

    datatype: str
    shapes: tuple[list[int], ...]
    values: int
    item_size: int | None
    gap: str | None


class Example(NamedTuple):
    """The first of the reference inputs, shape (1, …), and the model's outputs for it, by name."""

    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Model:
    """Immutable, and equal only to itself: a request is answered by one version, whatever is promoted meanwhile.

    row_seconds is how long one row took at load time; together is how many rows of different requests go through the
    network at once, 1 where that is not faster. signed_by is the fingerprint of the key whose signature was
    checked, None where none was asked for.
    """

    name: str
    version: str
    manifest_sha256: str
    manifest: Manifest
    promotion: Promotion | None
    report: Report | None
    onnx_bytes: int
    session: ort.InferenceSession
    row_seconds: float
    together: int
    example: Example
    signed_by: str | None = None

    @property
    def size(self) -> int:
        """Approximate memory in bytes: the weights, once more as ONNX Runtime packs them, and the session."""
        return SESSION_BYTES + 2 * self.onnx_bytes

    @property
    def input(self) -> Tensor:
        """The input that /predict fills."""
        return self.manifest.inputs[0]

    @property
    def output(self) -> Tensor:
        """The output that /predict returns."""
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
        is_table = self.manifest.columns is not None
        return {tensor.name: _row(tensor, is_table) for tensor in self.manifest.inputs}

    @cached_property
    def training(self) -> drift.Training | column_drift.ColumnTraining | None:
        """What inputs are compared with, if the bundle holds statistics of the training set."""
        return drift.training(self.manifest) or column_drift.training(self.manifest)

    @cached_property
    def row_bytes(self) -> int:
        """The fewest bytes of JSON that one row of all inputs takes: a digit and a comma for each number."""
        return 2 * sum(row.values for row in self.rows.values())

    def seconds(self, body: int) -> float:
        """Approximately how long a request of this many bytes takes at most."""
        return runtime.BYTE_SECONDS * body + self.row_seconds * max(1.0, body / self.row_bytes)

    def run(self, inputs: dict[str, np.ndarray], outputs: list[str] | None = None) -> dict[str, np.ndarray]:
        """The named outputs (default: all) for N rows of every input."""
        names = outputs or list(self.outputs)
        return dict(zip(names, runtime.run(self.session, inputs, names), strict=True))


def load(
    paths: ModelPaths,
    version: str,
    manifest_sha256: str | None = None,
    threads: int | None = None,
    signed_by: Path | None = None,
) -> Model:
    """The version, verified and warm, in a session with this many threads (default: the CPU quota).

    Its name is the beginning of its manifest's digest; manifest_sha256, if not None, is the whole of it. A public
    key in the file signed_by, if not None, has to have signed the version. Raises BadBundle if it must not be served;
    OSError or TornRecord if it cannot be read.
    """
    bundle = paths.version(version)
    manifest, digest = _manifest(bundle, manifest_sha256)
    signer = signatures.signer(paths, bundle, signed_by) if signed_by is not None else None
    session = open_verified(bundle, manifest, threads)
    row_seconds, example = _warm_up(session, manifest, bundle)
    return Model(
        name=paths.name,
        version=version,
        manifest_sha256=digest,
        manifest=manifest,
        promotion=Promotion.read_if_whole(bundle.promotion),
        report=Report.read_if_whole(bundle.report),
        onnx_bytes=bundle.network.stat().st_size,
        session=session,
        row_seconds=row_seconds,
        together=_together(session, manifest, example.inputs, row_seconds),
        example=example,
        signed_by=signer,
    )


def _row(tensor: Tensor, is_table: bool) -> Row:
    """A row of an input; one that is a column need not say that it is of one value."""
    shape = list(tensor.shape[1:])
    return Row(
        datatype=tensor.datatype,
        shapes=(shape, []) if is_table and shape == [1] else (shape,),
        values=math.prod(shape),
        item_size=None if tensor.datatype == "BYTES" else runtime.DATATYPES[tensor.datatype].itemsize,
        gap="null" if is_table else None,
    )


def _manifest(bundle: VersionPaths, expected: str | None) -> tuple[Manifest, str]:
    """The manifest and its digest, read once: what is parsed is what was compared with the digest."""
    content = bundle.manifest.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if expected is not None and digest != expected:
        raise BadBundle(bundle.manifest, ["its sha256 is not the one that current.json names"])
    if digest[: len(bundle.version)] != bundle.version:
        raise BadBundle(bundle.manifest, ["its sha256 is not the one that names this version"])
    return Manifest.parse(content, bundle.manifest), digest


def _warm_up(session: ort.InferenceSession, manifest: Manifest, bundle: BundlePaths) -> tuple[float, Example]:
    """Seconds that one row takes once the session has allocated its memory; and that row."""
    inputs, _ = reference(bundle, manifest)
    row = {name: rows[:1].copy() for name, rows in inputs.items()}
    seconds, outputs = _timed(session, manifest, row)
    return seconds, Example(row, outputs)


def _timed(
    session: ort.InferenceSession, manifest: Manifest, rows: dict[str, np.ndarray]
) -> tuple[float, dict[str, np.ndarray]]:
    """The fewest seconds that these rows took, and all outputs for them."""
    names = [tensor.name for tensor in manifest.outputs]
    seconds = []
    for _ in range(WARM_UP_RUNS):
        started = time.perf_counter()
        outputs = runtime.run(session, rows, names)
        seconds.append(time.perf_counter() - started)
    return min(seconds), dict(zip(names, outputs, strict=True))


def _together(session: ort.InferenceSession, manifest: Manifest, row: dict[str, np.ndarray], row_seconds: float) -> int:
    """The number of rows at once that takes the least time for each; 1 unless a row gains more than WORTH."""
    best, least = 1, row_seconds - WORTH
    for count in TOGETHER:
        if (
            least <= 0
            or count * row_seconds > 2 * SHORT
            or any(t.shape[0] != -1 for t in (*manifest.inputs, *manifest.outputs))
        ):
            break
        rows = {name: np.repeat(array, count, axis=0) for name, array in row.items()}
        seconds = _timed(session, manifest, rows)[0] / count
        if seconds < least:
            best, least = count, seconds
    return best
