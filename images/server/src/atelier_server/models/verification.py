"""Is a bundle what it says it is? Answered with the very runtime that will serve it."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
from atelier_store import bundle
from atelier_store.layout import BundlePaths
from atelier_store.records import Manifest, Tensor
from atelier_store.spec import Task

from atelier_server.models import drift, runtime

RELATIVE, ABSOLUTE = 1e-3, 1e-4
"""How far a recomputed reference output may be from the stored one."""


def verify(files: BundlePaths, manifest: Manifest) -> list[str]:
    """Everything that is wrong with the bundle; empty if it can be served.

    Checks digests, parity as trained, the signature against the network's real inputs and outputs, the input statistics against both, and
    recomputes reference.npz.
    """
    if broken := bundle.problems(files, manifest):
        return broken  # nothing of a bundle with a wrong digest is opened
    try:
        session = runtime.open_session(files.network)
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        return [f"model.onnx: ONNX Runtime cannot load it: {error}"]
    mismatches = [*_parity(manifest), *_signature(session, manifest), *_statistics(manifest)]
    return mismatches or _reference(session, files, manifest)


def _parity(manifest: Manifest) -> list[str]:
    if manifest.parity.argmax_equal is False:
        return ["manifest.json: parity: ONNX and torch did not choose the same class on every validation row"]
    return []


def _signature(session: ort.InferenceSession, manifest: Manifest) -> list[str]:
    inputs, outputs = runtime.signature(session)
    wrong = [*_differences("input", manifest.inputs, inputs), *_differences("output", manifest.outputs, outputs)]
    classes = manifest.outputs[0].shape[-1] if manifest.outputs else 0
    if manifest.task == "classification" and len(manifest.labels or ()) != classes:
        wrong.append(f"manifest.json: {len(manifest.labels or ())} labels for {classes} outputs")
    return wrong


def _statistics(manifest: Manifest) -> list[str]:
    found = manifest.input_statistics
    if found is None or len(found.mean) == len(found.std) == drift.features(manifest):
        return []
    numbers = f"{len(found.mean)} means and {len(found.std)} deviations for {drift.features(manifest)}"
    return [f"manifest.json: input_statistics: {numbers} features or channels"]


def _differences(what: str, said: tuple[Tensor, ...], real: tuple[Tensor, ...]) -> list[str]:
    if said == real:
        return []
    return [f"manifest.json: {what}s are said to be {_words(said)}, the network's are {_words(real)}"]


def _words(tensors: tuple[Tensor, ...]) -> str:
    return ", ".join(f"{t.name} {t.datatype} {list(t.shape)}" for t in tensors) or "none"


def _reference(session: ort.InferenceSession, files: BundlePaths, manifest: Manifest) -> list[str]:
    try:
        with np.load(files.reference, allow_pickle=False) as reference:
            given, expected = reference["input"], reference["output"]
        outputs = runtime.run(session, {manifest.inputs[0].name: given}, [manifest.outputs[0].name])[0]
    except Exception as error:  # numpy and ONNX Runtime raise a dozen types here; each means the same
        return [f"reference.npz: cannot be run through the network: {error}"]
    return [f"reference.npz: {one}" for one in differences(outputs, expected, manifest.task)]


def differences(outputs: np.ndarray, expected: np.ndarray, task: Task) -> list[str]:
    """What is wrong with outputs for reference inputs, beside the outputs as trained; both (rows, outputs)."""
    if outputs.shape != expected.shape:
        return [f"outputs have shape {list(expected.shape)}, recomputed {list(outputs.shape)}"]
    wrong = []
    if not np.allclose(outputs, expected, rtol=RELATIVE, atol=ABSOLUTE):
        worst = float(np.max(np.abs(outputs - expected)))
        wrong.append(f"recomputed outputs differ by up to {worst:.3g}")
    if task == "classification" and not np.array_equal(outputs.argmax(-1), expected.argmax(-1)):
        rows = int(np.sum(outputs.argmax(-1) != expected.argmax(-1)))
        wrong.append(f"another class is chosen on {rows} of {len(expected)} rows")
    return wrong
