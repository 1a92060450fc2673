"""What all servers serve: one small convolutional network, and the requests: one picture as JSON and as bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from atelier_store.layout import Store
from atelier_store.records import Tensor
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tests.support.onnx_bundles import image_bundle, publish

MODEL = "digits"
SIDE, CLASSES = 28, 10
LABELS = tuple("0123456789")
TENSOR = {"name": "input", "datatype": "UINT8", "shape": [1, SIDE, SIDE]}
LENGTH = "Inference-Header-Content-Length"


@dataclass(frozen=True)
class Payload:
    """A body and the headers that it needs."""

    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True)
class Subject:
    """Where things are, and what a server must answer."""

    store: Store
    network: Path
    as_json: Payload
    as_bytes: Payload
    probabilities: np.ndarray


def make(folder: Path, given: Path | None = None) -> Subject:
    """The network (default: a small one with random weights), promoted in a store in folder, and the requests."""
    random = np.random.default_rng(0)
    proto = onnx.load(given) if given else network(random)
    labels = {"labels": LABELS}
    signature = {
        "inputs": (Tensor(name="input", datatype="UINT8", shape=(-1, SIDE, SIDE)),),
        "outputs": (Tensor(name="probabilities", datatype="FP32", shape=(-1, CLASSES)),),
    }
    pictures = random.integers(0, 256, (64, SIDE, SIDE), dtype=np.uint8)
    bundle = image_bundle()
    store = Store(folder / "store")
    version = publish(
        store, replace(bundle, network=proto, inputs=pictures, fields=bundle.fields | labels | signature), MODEL
    )
    path = store.model(MODEL).version(version).network
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    return Subject(
        store, path, _as_json(pictures[:1]), _as_bytes(pictures[:1]), session.run(None, {"input": pictures[:1]})[0]
    )


def serve_command(subject: Subject, port: int) -> list[str]:
    """The arguments of Python that serve the subject's model on a port."""
    store = ["--store", str(subject.store.root), "--model", MODEL]
    return ["-m", "atelier_server", "--log-level", "warning", "serve", *store, "--port", str(port)]


def network(random: np.random.Generator) -> ModelProto:
    """Two convolutions of stride 2, a mean, a dense layer: 28 x 28 pixels to 10 classes."""
    weights = {
        "first": random.normal(size=(16, 1, 3, 3)) / 3,
        "second": random.normal(size=(32, 16, 3, 3)) / 12,
        "dense": random.normal(size=(32, CLASSES)),
        "scale": np.array(255.0),
        "axis": np.array([1], np.int64),
    }
    stride: dict[str, Any] = {"strides": [2, 2], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Cast", ["input"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["numbers", "scale"], ["scaled"]),
        helper.make_node("Unsqueeze", ["scaled", "axis"], ["picture"]),
        helper.make_node("Conv", ["picture", "first"], ["a"], **stride),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "second"], ["c"], **stride),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("GlobalAveragePool", ["d"], ["e"]),
        helper.make_node("Flatten", ["e"], ["f"], axis=1),
        helper.make_node("MatMul", ["f", "dense"], ["g"]),
        helper.make_node("Softmax", ["g"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("input", TensorProto.UINT8, ["rows", SIDE, SIDE])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", CLASSES])],
        [
            numpy_helper.from_array(w if w.dtype == np.int64 else w.astype(np.float32), name)
            for name, w in weights.items()
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


def _as_json(picture: np.ndarray) -> Payload:
    body = json.dumps({"inputs": [TENSOR | {"data": picture.ravel().tolist()}]}, separators=(",", ":")).encode()
    return Payload(body, {"Content-Type": "application/json"})


def _as_bytes(picture: np.ndarray) -> Payload:
    tensor = TENSOR | {"parameters": {"binary_data_size": picture.nbytes}}
    header = json.dumps(
        {"inputs": [tensor], "parameters": {"binary_data_output": True}}, separators=(",", ":")
    ).encode()
    return Payload(header + picture.tobytes(), {"Content-Type": "application/octet-stream", LENGTH: str(len(header))})
