"""A promoted bundle that is loaded, verified and warm."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
from atelier_store.layout import ModelPaths
from atelier_store.records import Current, Manifest, Promotion, Report, Tensor

from atelier_server import runtime
from atelier_server.verification import verify

WARM_UP_RUNS = 3


class BadBundle(ValueError):
    """A version that must not be served; the message lists every problem."""


@dataclass(frozen=True)
class Model:
    """Immutable: a request that began with one version ends with it, whatever is promoted meanwhile."""

    name: str
    version: str
    manifest: Manifest
    promotion: Promotion | None
    report: Report | None
    onnx_bytes: int
    session: ort.InferenceSession

    @property
    def input(self) -> Tensor:
        """The one input that the friendly endpoint fills."""
        return self.manifest.inputs[0]

    def run(self, inputs: dict[str, np.ndarray], outputs: list[str] | None = None) -> dict[str, np.ndarray]:
        """The named outputs (default: all) for N rows of every input."""
        names = outputs or [tensor.name for tensor in self.manifest.outputs]
        return dict(zip(names, runtime.run(self.session, inputs, names), strict=True))

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """The first output for N rows of the first input: probabilities (N, K) or predictions (N, T)."""
        name = self.manifest.outputs[0].name
        return self.run({self.input.name: rows}, [name])[name]


def load(paths: ModelPaths, pointer: Current) -> Model:
    """The version that the pointer names, verified and warm.

    Raises BadBundle if it must not be served; OSError or TornRecord if it cannot be read.
    """
    folder = paths.versions / pointer.version
    manifest = _manifest(folder, pointer)
    if problems := verify(folder, manifest):
        raise BadBundle(f"{folder}: {'; '.join(problems)}")
    network = folder / "model.onnx"
    model = Model(
        name=paths.name,
        version=pointer.version,
        manifest=manifest,
        promotion=Promotion.read_if_whole(folder / "promotion.json"),
        report=Report.read_if_whole(folder / "report.json"),
        onnx_bytes=network.stat().st_size,
        session=runtime.open_session(network),
    )
    _warm_up(model)
    return model


def _manifest(folder: Path, pointer: Current) -> Manifest:
    path = folder / "manifest.json"
    if hashlib.sha256(path.read_bytes()).hexdigest() != pointer.manifest_sha256:
        raise BadBundle(f"{path}: its sha256 is not the one that current.json names")
    return Manifest.read(path)


def _warm_up(model: Model) -> None:
    one_row = {t.name: np.zeros((1, *t.shape[1:]), runtime.DATATYPES[t.datatype]) for t in model.manifest.inputs}
    for _ in range(WARM_UP_RUNS):
        model.run(one_row)
