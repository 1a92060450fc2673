"""Checks that a bundle is what its manifest says, with the runtime that will serve it."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
from atelier_store import bundle
from atelier_store import columns as table
from atelier_store.in_words import counted
from atelier_store.layout import BundlePaths
from atelier_store.records import Manifest, Tensor

from atelier_server.models import drift, runtime
from atelier_server.models.errors import BadBundle

RELATIVE, ABSOLUTE = 1e-3, 1e-4
"""How far a recomputed reference output may be from the stored one."""

INT8_SHARE = 0.01
"""The same for a network in int8, of the spread of the outputs: where another CPU rounds otherwise, it is by a step."""


def verify(files: BundlePaths, manifest: Manifest) -> list[str]:
    """Everything that is wrong with the bundle; empty if it can be served."""
    try:
        open_verified(files, manifest)
    except BadBundle as bad:
        return list(bad.problems)
    return []


def open_verified(files: BundlePaths, manifest: Manifest, threads: int | None = None) -> ort.InferenceSession:
    """A session of the bundle's network with this many threads. Raises BadBundle if it must not be served.

    Checks digests, parity as trained, the signature against the network's real inputs and outputs, the statistics and
    columns against both, and recomputes the reference outputs.
    """
    if broken := bundle.problems(files, manifest):
        raise BadBundle(files.folder, broken)  # before any of its files is opened
    try:
        session = runtime.open_session(files.network, threads)
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        raise BadBundle(files.folder, [f"{files.network.name}: ONNX Runtime cannot load it: {error}"]) from error
    mismatches = [*_parity(manifest), *_signature(session, manifest), *_statistics(manifest), *_columns(manifest)]
    if mismatches:
        raise BadBundle(files.folder, [f"{files.manifest.name}: {mismatch}" for mismatch in mismatches])
    if wrong := _reference(session, files, manifest):
        raise BadBundle(files.folder, [f"{files.reference.name}: {one}" for one in wrong])
    return session


def _parity(manifest: Manifest) -> list[str]:
    if manifest.parity.argmax_equal is False:
        return ["parity: ONNX and torch did not choose the same class on every validation row"]
    return []


def _signature(session: ort.InferenceSession, manifest: Manifest) -> list[str]:
    inputs, outputs = runtime.signature(session)
    wrong = [*_differences("input", manifest.inputs, inputs), *_differences("output", manifest.outputs, outputs)]
    classes = manifest.outputs[0].shape[-1] if manifest.outputs else 0
    if manifest.task != "regression" and len(manifest.labels or ()) != classes:
        wrong.append(f"{counted(len(manifest.labels or ()), 'label')} for {counted(classes, 'output')}")
    if manifest.target_names is not None and len(manifest.target_names) != classes:
        wrong.append(f"{len(manifest.target_names)} target_names for {counted(classes, 'output')}")
    of = [threshold.label for threshold in manifest.thresholds or ()]
    with_one = [*(manifest.labels or ())] if manifest.task == "multilabel" else [*(manifest.labels or ())][1:2]
    if manifest.thresholds is not None and (of != with_one or (manifest.task == "classification" and classes != 2)):
        wrong.append("thresholds: are not that of the second of two classes, or those of the labels")
    return wrong


def _statistics(manifest: Manifest) -> list[str]:
    statistics = manifest.input_statistics
    if statistics is None or len(statistics.mean) == len(statistics.std) == drift.features(manifest):
        return []
    numbers = f"{len(statistics.mean)} means and {len(statistics.std)} deviations for {drift.features(manifest)}"
    return [f"input_statistics: {numbers} features or channels"]


def _columns(manifest: Manifest) -> list[str]:
    """What is wrong with a table: inputs, names or statistics that are not those of its columns."""
    columns, statistics = manifest.columns, manifest.column_statistics
    if columns is None:
        texts = [tensor.name for tensor in manifest.inputs if tensor.datatype == "BYTES"]
        return [f"inputs: {', '.join(texts)}: only a table's columns are BYTES"] if texts else []
    wrong = []
    if manifest.inputs != (real := table.tensors(columns)):
        wrong.append(f"the columns have the inputs {_words(real)}, not {_words(manifest.inputs)}")
    if manifest.feature_names != tuple(column.name for column in columns):
        wrong.append("feature_names: are not the names of the columns")
    if statistics is not None and [len(one.shares) for one in statistics] != [
        len(column.levels) + table.FIRST_LEVEL if column.kind == "category" else 0 for column in columns
    ]:
        wrong.append("column_statistics: are not those of the columns and their levels")
    return wrong


def _differences(what: str, listed: tuple[Tensor, ...], real: tuple[Tensor, ...]) -> list[str]:
    if listed == real:
        return []
    return [f"{what}s are said to be {_words(listed)}, the network's are {_words(real)}"]


def _words(tensors: tuple[Tensor, ...]) -> str:
    return ", ".join(f"{t.name} {t.datatype} {list(t.shape)}" for t in tensors) or "none"


def _reference(session: ort.InferenceSession, files: BundlePaths, manifest: Manifest) -> list[str]:
    try:
        inputs, expected = bundle.reference(files, manifest)
        outputs = runtime.run(session, inputs, [manifest.outputs[0].name])[0]
    except Exception as error:  # numpy and ONNX Runtime raise a dozen types here; each means the same
        return [f"cannot be run through the network: {error}"]
    return differences(outputs, expected, manifest)


def differences(outputs: np.ndarray, expected: np.ndarray, manifest: Manifest) -> list[str]:
    """How outputs for reference inputs differ from the outputs as trained, or brought to int8; both (rows, outputs)."""
    if outputs.shape != expected.shape:
        return [f"outputs have shape {list(expected.shape)}, recomputed {list(outputs.shape)}"]
    wrong, is_int8 = [], manifest.config.int8_of is not None
    absolute = max(ABSOLUTE, INT8_SHARE * float(np.ptp(expected))) if is_int8 else ABSOLUTE
    if not np.allclose(outputs, expected, rtol=RELATIVE, atol=absolute):
        worst = float(np.max(np.abs(outputs - expected)))
        wrong.append(f"recomputed outputs differ by up to {worst:.3g}")
    if manifest.task == "classification":
        chosen = np.take_along_axis(expected, outputs.argmax(-1, keepdims=True), -1)[..., 0]
        rows = int(np.sum(expected.max(-1) - chosen > (2 * absolute if is_int8 else 0)))  # of near ones either may win
        wrong += [f"another class is chosen on {rows} of {counted(len(expected), 'row')}"] if rows else []
    return wrong
