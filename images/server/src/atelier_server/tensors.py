"""The Open Inference Protocol's tensors, version 2, as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from atelier_store.records import Tensor

from atelier_server import values
from atelier_server.model import Model
from atelier_server.problems import Invalid
from atelier_server.runtime import DATATYPES
from atelier_server.values import Violation, refuse

BAD_REQUEST = 400
"""What the protocol wants for a request that cannot be served."""


def decode(request: Any, model: Model) -> tuple[dict[str, np.ndarray], list[str]]:
    """The input arrays by name, and the names of the outputs to give. Raises Invalid with all violations."""
    if not isinstance(request, dict):
        raise Invalid([("#", f"must be an object with inputs, is {values.shown(request)}")], BAD_REQUEST)
    wrong = [*_envelope(request), *_inputs(request.get("inputs"), model), *_outputs(request.get("outputs"), model)]
    if wrong:
        raise refuse(iter(wrong), BAD_REQUEST)
    tensors = {t.name: t for t in model.manifest.inputs}
    arrays: dict[str, np.ndarray] = {}
    for index, given in enumerate(request["inputs"]):
        arrays[given["name"]] = _array(given, tensors[given["name"]], f"#/inputs/{index}")
    if len({len(array) for array in arrays.values()}) > 1:
        raise Invalid([("#/inputs", "must all have the same number of rows")], BAD_REQUEST)
    return arrays, [o["name"] for o in request.get("outputs") or ()] or [t.name for t in model.manifest.outputs]


def encode(model: Model, outputs: dict[str, np.ndarray], request_id: str | None) -> dict[str, Any]:
    """The protocol's answer, data flat in row-major order."""
    tensors = {t.name: t for t in model.manifest.outputs}
    answer: dict[str, Any] = {"model_name": model.name, "model_version": model.version}
    if request_id is not None:
        answer["id"] = request_id
    answer["outputs"] = [
        {"name": name, "datatype": tensors[name].datatype, "shape": list(array.shape), "data": array.ravel().tolist()}
        for name, array in outputs.items()
    ]
    return answer


def _envelope(request: dict[str, Any]) -> Iterator[Violation]:
    if not isinstance(request.get("id", ""), str):
        yield "#/id", f"must be a string, is {values.shown(request['id'])}"
    yield from _parameters(request, "#")


def _parameters(holder: dict[str, Any], pointer: str) -> Iterator[Violation]:
    parameters = holder.get("parameters", {})
    if not isinstance(parameters, dict):
        yield f"{pointer}/parameters", f"must be an object, is {values.shown(parameters)}"
    elif "binary_data_size" in parameters or parameters.get("binary_data"):
        yield f"{pointer}/parameters", "binary tensor data is not supported; give data as JSON"


def _inputs(inputs: Any, model: Model) -> Iterator[Violation]:
    tensors = {t.name: t for t in model.manifest.inputs}
    if not isinstance(inputs, list):
        yield "#/inputs", "is missing" if inputs is None else f"must be a list, is {values.shown(inputs)}"
        return
    names = [given.get("name") if isinstance(given, dict) else None for given in inputs]
    for index, given in enumerate(inputs):
        pointer = f"#/inputs/{index}"
        if not isinstance(given, dict):
            yield pointer, f"must be an object, is {values.shown(given)}"
        elif not isinstance(names[index], str) or names[index] not in tensors:
            yield f"{pointer}/name", f"must be {_one_of(tensors)}, is {values.shown(names[index])}"
        elif names[index] in names[:index]:
            yield f"{pointer}/name", f"{names[index]!r} is given twice"
        else:
            yield from _header(given, tensors[given["name"]], pointer)
    for name in tensors:
        if name not in names:
            yield "#/inputs", f"the input {name!r} is missing"


def _header(given: dict[str, Any], tensor: Tensor, pointer: str) -> Iterator[Violation]:
    """What is wrong with an input's datatype, shape or parameters."""
    if given.get("datatype") != tensor.datatype:
        yield f"{pointer}/datatype", f"must be {tensor.datatype!r}, is {values.shown(given.get('datatype'))}"
    shape = given.get("shape")
    if not isinstance(shape, list) or not all(type(d) is int for d in shape):
        yield f"{pointer}/shape", f"must be a list of whole numbers, is {values.shown(shape)}"
    elif len(shape) != len(tensor.shape) or any(w not in (-1, d) for d, w in zip(shape, tensor.shape, strict=True)):
        yield f"{pointer}/shape", f"must be {list(tensor.shape)} with -1 the number of rows, is {shape}"
    elif min(shape) < 1:
        yield f"{pointer}/shape", f"must hold at least one row, is {shape}"
    if not isinstance(given.get("data"), list):
        yield f"{pointer}/data", "is missing" if "data" not in given else f"must be a list, is {values.shown(given['data'])}"
    yield from _parameters(given, pointer)


def _outputs(outputs: Any, model: Model) -> Iterator[Violation]:
    names = [t.name for t in model.manifest.outputs]
    if outputs is None:
        return
    if not isinstance(outputs, list):
        yield "#/outputs", f"must be a list, is {values.shown(outputs)}"
        return
    for index, wanted in enumerate(outputs):
        name = wanted.get("name") if isinstance(wanted, dict) else wanted
        if not isinstance(wanted, dict) or name not in names:
            yield f"#/outputs/{index}/name", f"must be {_one_of(names)}, is {values.shown(name)}"
        else:
            yield from _parameters(wanted, f"#/outputs/{index}")


def _array(given: dict[str, Any], tensor: Tensor, pointer: str) -> np.ndarray:
    """The data, flat or nested, in the shape that the request names."""
    shape, data = tuple(given["shape"]), given["data"]
    flat = not data or not isinstance(data[0], list)
    array = values.convert(data, 1 if flat else len(shape), tensor.datatype)
    if array is None or (array.size != math.prod(shape) if flat else array.shape != shape):
        expected = (math.prod(shape),) if flat else shape
        raise refuse(values.walk(data, expected, tensor.datatype, f"{pointer}/data"), BAD_REQUEST)
    return array.reshape(shape).astype(DATATYPES[tensor.datatype], copy=False)


def _one_of(names: Any) -> str:
    return " or ".join(repr(name) for name in sorted(names))
