"""Real bundles with small ONNX networks, and a store that has them promoted."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from atelier_store import clock
from atelier_store.columns import INPUT, Inputs, reference
from atelier_store.files import sha256_file
from atelier_store.layout import BundlePaths, Store
from atelier_store.records import (
    Current,
    Environment,
    InputStatistics,
    Latency,
    Manifest,
    Parity,
    Promotion,
    Provenance,
    Tensor,
    TrialConfig,
)
from onnx import TensorProto, helper, numpy_helper

LABELS = ("zero", "one", "two")
FEATURES = ("age", "height", "weight")
ENVIRONMENT = Environment(
    python="3.11",
    torch="2",
    numpy="2",
    onnxruntime="1",
    cpu="a CPU",
    cpu_capability="AVX2",
    threads=1,
    device="cpu",
    precision="float32",
    code_version="0",
)


def linear(datatype: int, shape: tuple[int, ...], weights: np.ndarray, output: str, softmax: bool) -> onnx.ModelProto:
    """A network that casts, flattens and multiplies: rows of this shape to weights.shape[1] outputs."""
    nodes = [
        helper.make_node("Cast", ["input"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["numbers"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], ["products" if softmax else output]),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["products"], [output], axis=1))
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("input", datatype, ["rows", *shape])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["rows", weights.shape[1]])],
        [numpy_helper.from_array(weights.astype(np.float32), "weights")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


@dataclass
class Bundle:
    """A bundle in the making; write() puts it into a folder."""

    network: onnx.ModelProto | bytes
    inputs: np.ndarray
    fields: dict[str, Any]
    reference: np.ndarray | None = None

    @property
    def given(self) -> Inputs:
        """The reference inputs by name."""
        return {INPUT: self.inputs}

    def write(self, folder: Path) -> Manifest:
        folder.mkdir(parents=True)
        network = self.network if isinstance(self.network, bytes) else self.network.SerializeToString()
        paths = BundlePaths(folder)
        paths.network.write_bytes(network)
        outputs = self.reference if self.reference is not None else outputs_of(network, self.given)
        arrays: dict[str, Any] = reference(self.given)
        np.savez(paths.reference, **arrays, output=outputs)
        manifest = Manifest(**self.fields, files={path.name: sha256_file(path) for path in paths.contents})
        manifest.write(paths.manifest)
        return manifest


def outputs_of(network: bytes, inputs: Inputs) -> np.ndarray:
    """What ONNX Runtime itself answers."""
    session = ort.InferenceSession(network, providers=["CPUExecutionProvider"])
    outputs: np.ndarray = session.run(None, inputs)[0]
    return outputs


def manifest_fields(kind: str, task: str, seed: int, metric: float = 0.9, **more: Any) -> dict[str, Any]:
    classes = task == "classification"
    name = "val_accuracy" if classes else "val_rmse"
    config = TrialConfig(
        params={"seed": seed},
        data_digest="d" * 64,
        validation_fraction=0.2,
        network_digest="n" * 64,
        recipe_version=1,
        seed=seed,
    )
    return {
        "kind": kind,
        "task": task,
        "labels": LABELS if classes else None,
        "objective_metric_name": name,
        "metrics": {name: metric},
        "architecture": "a linear network",
        "config": config,
        "params": 10,
        "macs": 10,
        "latency": Latency(p50_ms=0.1, p95_ms=0.2),
        "parity": Parity(rows=64, argmax_equal=classes or None, max_abs_difference=0.0),
        "weights_sha256": "w" * 64,
        "provenance": Provenance(
            experiment="tests-12345678",
            spec_digest="s" * 64,
            data_digest="d" * 64,
            network_digest="n" * 64,
            recipe_version=1,
            seed=seed,
            trial=f"trial-{seed}",
            key=config.key,
            epochs=3,
            environment=ENVIRONMENT,
        ),
        **more,
    }


def image_bundle(seed: int = 0, channels: int = 0, metric: float = 0.9, wide: int = 8) -> Bundle:
    """uint8 pictures, 8 x 8 (x channels), to three classes."""
    random = np.random.default_rng(seed)
    shape = (8, wide, channels) if channels else (8, wide)
    weights = random.normal(size=(int(np.prod(shape)), 3)) / 1000
    fields = manifest_fields(
        "images",
        "classification",
        seed,
        metric,
        inputs=(Tensor(name="input", datatype="UINT8", shape=(-1, *shape)),),
        outputs=(Tensor(name="probabilities", datatype="FP32", shape=(-1, 3)),),
    )
    network = linear(TensorProto.UINT8, shape, weights, "probabilities", softmax=True)
    return Bundle(network, random.integers(0, 256, (64, *shape), dtype=np.uint8), fields)


def rows_bundle(seed: int = 0, names: tuple[str, ...] | None = FEATURES) -> Bundle:
    """Three float32 features to one value: 1·age + 2·height + 3·weight."""
    random = np.random.default_rng(seed)
    fields = manifest_fields(
        "rows",
        "regression",
        seed,
        feature_names=names,
        target_name="target",
        inputs=(Tensor(name="input", datatype="FP32", shape=(-1, 3)),),
        outputs=(Tensor(name="prediction", datatype="FP32", shape=(-1, 1)),),
    )
    network = linear(TensorProto.FLOAT, (3,), np.array([[1.0], [2.0], [3.0]]), "prediction", softmax=False)
    return Bundle(network, random.normal(size=(64, 3)).astype(np.float32), fields)


def signal_bundle(seed: int = 0, length: int = 12, channels: int = 0) -> Bundle:
    """float32 signals (x channels) to three classes."""
    random = np.random.default_rng(seed)
    shape = (length, channels) if channels else (length,)
    weights = random.normal(size=(int(np.prod(shape)), 3))
    fields = manifest_fields(
        "signals",
        "classification",
        seed,
        inputs=(Tensor(name="input", datatype="FP32", shape=(-1, *shape)),),
        outputs=(Tensor(name="probabilities", datatype="FP32", shape=(-1, 3)),),
    )
    network = linear(TensorProto.FLOAT, shape, weights, "probabilities", softmax=True)
    return Bundle(network, random.normal(size=(64, *shape)).astype(np.float32), fields)


def trained_on_its_inputs(bundle: Bundle) -> Bundle:
    """The bundle with statistics of its reference inputs as the training set, without channels unless they are rows."""
    inputs = bundle.inputs.astype(np.float64)
    axes = 0 if bundle.fields["kind"] == "rows" else None
    mean, std = np.atleast_1d(inputs.mean(axes)), np.atleast_1d(inputs.std(axes))
    statistics = InputStatistics(mean=tuple(mean.tolist()), std=tuple(std.tolist()), count=inputs.size // mean.size)
    return replace(bundle, fields=bundle.fields | {"input_statistics": statistics})


def configured(bundle: Bundle, params: dict[str, Any], **config: Any) -> Bundle:
    """The bundle as that of a trial with these parameters."""
    changed = bundle.fields["config"].model_copy(update={"params": params, **config})
    provenance = bundle.fields["provenance"].model_copy(update={"key": changed.key})
    return replace(bundle, fields=bundle.fields | {"config": changed, "provenance": provenance})


def publish(store: Store, bundle: Bundle, model: str = "digits") -> str:
    """Make a bundle the model's current version, as a promotion leaves it; the result is the version."""
    version, digest = place(store, bundle, model)
    point(store, model, version, digest)
    return version


def place(store: Store, bundle: Bundle, model: str = "digits") -> tuple[str, str]:
    """Make a bundle a version that nothing points at yet; the result is the version and its manifest's digest."""
    paths = store.model(model)
    staged = paths.version(f".tmp-{os.urandom(6).hex()}")
    manifest = bundle.write(staged.folder)
    digest = sha256_file(staged.manifest)
    version = digest[:12]
    Promotion(
        version=version,
        experiment=manifest.provenance.experiment,
        trial=manifest.provenance.trial,
        key=manifest.provenance.key,
        metric=0.9,
        objective_metric_name=manifest.objective_metric_name,
        test_metrics={"test_accuracy": 0.5},
        test_rows=64,
        promoted_at=clock.now(),
        promoted_by="tests",
    ).write(staged.promotion)
    if not paths.version(version).folder.exists():
        staged.folder.rename(paths.version(version).folder)
    return version, digest


def point(store: Store, model: str, version: str, digest: str) -> None:
    """Point at a version that is there already."""
    Current(model=model, version=version, manifest_sha256=digest, promoted_at=clock.now()).write(
        store.model(model).current
    )
