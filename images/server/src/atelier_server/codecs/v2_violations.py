"""Requests of the Open Inference Protocol in any form: every violation, or the arrays if there is none."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
from atelier_store.in_words import counted
from atelier_store.records import Tensor

from atelier_server.codecs import json, packing, values
from atelier_server.codecs.inference import Arrays
from atelier_server.codecs.violations import Invalid, Violation
from atelier_server.models.model import Model, Row
from atelier_server.models.runtime import DATATYPES

LARGEST = 2**63 - 1
"""The largest size accepted. Python has larger numbers, but refuses to print the product of two very large ones."""


def decode(text: bytes, tail: bytes, model: Model) -> tuple[dict[str, Any], Arrays]:
    """The request without its inputs, and those as arrays.

    Raises Malformed if text is not JSON, Invalid with all violations.
    """
    request = _without_nulls(json.parse(text))
    if not isinstance(request, dict):
        raise Invalid([("#", f"must be an object with inputs, is {values.shown(request)}")])
    inputs = request.get("inputs")
    wrong = chain(
        _envelope(request), _inputs(inputs, model), _tail(inputs, tail), _outputs(request.get("outputs"), model)
    )
    if (first := next(wrong, None)) is not None:
        raise Invalid(chain([first], wrong))
    arrays: Arrays = {}
    unfit: list[Violation] = []
    offset = 0
    for index, item in enumerate(request["inputs"]):
        tensor, pointer = model.inputs[item["name"]], f"#/inputs/{index}"
        size, row = _size(item), model.rows[tensor.name]
        try:
            if size is None:
                arrays[tensor.name] = _from_list(item, row, pointer)
            else:
                offset += size
                arrays[tensor.name] = _from_bytes(tail[offset - size : offset], item, row, pointer)
        except Invalid as invalid:
            unfit.extend(invalid.violations)
    if unfit:
        raise Invalid(unfit)
    return {name: value for name, value in request.items() if name != "inputs"}, arrays


def _without_nulls(value: Any, levels: int = 4) -> Any:
    """The same without the members that are null, which clients write for absent ones; what is in data stays.

    The levels are those of the protocol: the request, its list of inputs, an input, the input's parameters.
    """
    if levels and isinstance(value, dict):
        return {name: _without_nulls(inner, levels - 1) for name, inner in value.items() if inner is not None}
    return [_without_nulls(inner, levels - 1) for inner in value] if levels > 1 and isinstance(value, list) else value


def _envelope(request: dict[str, Any]) -> Iterator[Violation]:
    if not isinstance(request.get("id"), str | None):
        yield "#/id", f"must be a string, is {values.shown(request['id'])}"
    yield from _parameters(request, "#", "binary_data_output")


def _parameters(holder: dict[str, Any], pointer: str, flag: str | None = None) -> Iterator[Violation]:
    parameters = holder.get("parameters", {})
    if not isinstance(parameters, dict):
        yield f"{pointer}/parameters", f"must be an object, is {values.shown(parameters)}"
    elif flag in parameters and not isinstance(parameters[flag], bool):
        yield f"{pointer}/parameters/{flag}", f"must be true or false, is {values.shown(parameters[flag])}"


def _size(item: Any) -> Any:
    """How many bytes after the JSON are an input's; None if its data is in the JSON."""
    parameters = item.get("parameters") if isinstance(item, dict) else None
    return parameters.get("binary_data_size") if isinstance(parameters, dict) else None


def _inputs(inputs: Any, model: Model) -> Iterator[Violation]:
    if not isinstance(inputs, list):
        yield "#/inputs", "is missing" if inputs is None else f"must be a list, is {values.shown(inputs)}"
        return
    names = [item.get("name") if isinstance(item, dict) else None for item in inputs]
    for index, item in enumerate(inputs):
        pointer = f"#/inputs/{index}"
        if not isinstance(item, dict):
            yield pointer, f"must be an object, is {values.shown(item)}"
        elif not isinstance(names[index], str) or names[index] not in model.inputs:
            yield f"{pointer}/name", f"must be {_one_of(model.inputs)}, is {values.shown(names[index])}"
        elif names[index] in names[:index]:
            yield f"{pointer}/name", f"{names[index]!r} is given twice"
        else:
            yield from _header(item, model.inputs[item["name"]], model.rows[item["name"]], pointer)
    for name in model.inputs:
        if name not in names:
            yield "#/inputs", f"the input {name!r} is missing"


def _header(item: dict[str, Any], tensor: Tensor, row: Row, pointer: str) -> Iterator[Violation]:
    """What is wrong with an input's datatype, shape, parameters or kind of data."""
    if item.get("datatype") != tensor.datatype:
        yield f"{pointer}/datatype", f"must be {tensor.datatype!r}, is {values.shown(item.get('datatype'))}"
    shape: Any = item.get("shape")
    is_shape = False
    if not isinstance(shape, list) or not all(type(d) is int for d in shape):
        yield f"{pointer}/shape", f"must be a list of whole numbers, is {values.shown(shape)}"
    elif max(shape, default=0) > LARGEST:
        yield f"{pointer}/shape", f"must be numbers up to {LARGEST}, has {values.shown(max(shape))}"
    elif not shape or shape[1:] not in row.shapes or tensor.shape[0] not in (-1, shape[0]):
        yield f"{pointer}/shape", f"must be {list(tensor.shape)} with -1 the number of rows, is {shape}"
    elif min(shape) < 1:
        yield f"{pointer}/shape", f"must hold at least one row, is {shape}"
    else:
        is_shape = True
    yield from _parameters(item, pointer)
    size = _size(item)
    if size is None:
        if not isinstance(item.get("data"), list):
            yield (
                f"{pointer}/data",
                "is missing" if "data" not in item else f"must be a list, is {values.shown(item['data'])}",
            )
    elif type(size) is not int or not 0 <= size <= LARGEST:
        yield f"{pointer}/parameters/binary_data_size", f"must be a whole number of bytes, is {values.shown(size)}"
    elif "data" in item:
        yield f"{pointer}/data", "must not be given beside binary_data_size"
    elif is_shape and row.item_size and size != (expected := math.prod(shape) * row.item_size):
        yield (
            f"{pointer}/parameters/binary_data_size",
            f"must be {expected} for {values.words(shape)} of {tensor.datatype}, is {size}",
        )


def _tail(inputs: Any, tail: bytes) -> Iterator[Violation]:
    """Whether the bytes after the JSON are those that the inputs name."""
    sizes = [_size(item) for item in inputs] if isinstance(inputs, list) else []
    named = sum(size for size in sizes if type(size) is int and 0 < size <= LARGEST)
    if named != len(tail):
        yield "#", f"the inputs name {named} bytes of binary data, {len(tail)} follow the JSON"


def _outputs(outputs: Any, model: Model) -> Iterator[Violation]:
    if outputs is None:
        return
    if not isinstance(outputs, list):
        yield "#/outputs", f"must be a list, is {values.shown(outputs)}"
        return
    for index, wanted in enumerate(outputs):
        name = wanted.get("name") if isinstance(wanted, dict) else wanted
        if not isinstance(wanted, dict) or not isinstance(name, str) or name not in model.outputs:
            yield f"#/outputs/{index}/name", f"must be {_one_of(model.outputs)}, is {values.shown(name)}"
        else:
            yield from _parameters(wanted, f"#/outputs/{index}", "binary_data")


def _from_list(item: dict[str, Any], row: Row, pointer: str) -> np.ndarray:
    """The data, flat or nested, in the shape that the request names."""
    shape, data = tuple(item["shape"]), item["data"]
    flat = not data or not isinstance(data[0], list)
    array = values.convert(data, 1 if flat else len(shape), row.datatype, row.gap)
    if array is None or (array.size != math.prod(shape) if flat else array.shape != shape):
        expected = (math.prod(shape),) if flat else shape
        raise Invalid(values.walk(data, expected, row.datatype, f"{pointer}/data", row.gap))
    return array.reshape(shape).astype(DATATYPES[row.datatype], copy=False)


def _from_bytes(content: bytes, item: dict[str, Any], row: Row, pointer: str) -> np.ndarray:
    unpack = packing.unpack if row.gap is None else packing.unpack_with_gaps
    array, count = unpack(content, row.datatype), math.prod(item["shape"])
    if array is not None and array.size == count:
        return array.reshape(item["shape"])
    allowed = {
        "BOOL": "0 and 1",
        "BYTES": f"{counted(count, 'text')} in UTF-8, each after its length in four bytes, little-endian,",
    }.get(row.datatype, "finite numbers, or NaN for a gap," if row.gap else "finite numbers")
    raise Invalid([(f"{pointer}/parameters/binary_data_size", f"the bytes must be {allowed} only")])


def _one_of(names: Any) -> str:
    return " or ".join(repr(name) for name in sorted(names))
