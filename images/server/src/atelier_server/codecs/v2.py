"""Tensors of the Open Inference Protocol, version 2: as JSON, or as bytes after it (binary tensor data extension)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np

from atelier_server.codecs import columns, json, packing, v2_violations
from atelier_server.codecs.inference import Arrays, Inference
from atelier_server.codecs.violations import Invalid
from atelier_server.models.model import Model, Row

Value = TypeVar("Value")
Pack = Callable[[list[Any], str], np.ndarray | None]
Unpack = Callable[[bytes, str], np.ndarray | None]


class InputParameters(msgspec.Struct, frozen=True):
    """Of one tensor; unknown ones are ignored."""

    binary_data_size: int | None = None


class Input(msgspec.Struct, Generic[Value]):
    """One tensor of a request, with flat data and no booleans in it."""

    name: str
    datatype: str
    shape: list[int]
    data: list[Value] | None = None
    parameters: InputParameters | None = None

    @property
    def binary_data_size(self) -> int | None:
        """How many bytes after the JSON are its data; None if they are in the JSON."""
        return self.parameters.binary_data_size if self.parameters else None


class OutputParameters(msgspec.Struct, frozen=True):
    """Of one requested tensor."""

    binary_data: bool | None = None


class Output(msgspec.Struct):
    """One requested tensor."""

    name: str
    parameters: OutputParameters | None = None

    def as_bytes(self, default: bool) -> bool:
        """Whether it is given as bytes after the JSON."""
        chosen = self.parameters.binary_data if self.parameters else None
        return default if chosen is None else chosen


class RequestParameters(msgspec.Struct, frozen=True):
    """Of the whole request."""

    binary_data_output: bool | None = None


class Request(msgspec.Struct, Generic[Value]):
    """The form that nearly every client sends; v2_violations decodes all others. null is as if absent."""

    inputs: list[Input[Value]]
    id: str | None = None
    outputs: list[Output] | None = None
    parameters: RequestParameters | None = None

    @property
    def wanted(self) -> list[Output]:
        """The outputs that it names; all are wanted if it names none."""
        return self.outputs or []


_decoder = msgspec.json.Decoder(Request[int | float])
_table_decoder = msgspec.json.Decoder(Request[int | float | str | None])
_LOOSE = Request[Any]
msgspec.json.Decoder(_LOOSE)
"""msgspec looks a type up at its first use, and crashes (SIGSEGV) where two threads do so at once."""


def decode(content: bytes, header: int, model: Model) -> Inference:
    """The request, of which the first header bytes are JSON.

    The usual form is decoded without a look at each number. Everything else is checked value by value, and accepted if
    nothing is wrong with it. Raises Malformed if it is not JSON, Invalid with all violations.
    """
    text, tail = (content, b"") if header == len(content) else (content[:header], content[header:])
    table = columns.of(model)
    request: Request[Any] | None
    try:
        request = (_table_decoder if table else _decoder).decode(text)
    except packing.UNUSUAL:
        request = None
    forms = (packing.pack_with_gaps, packing.unpack_with_gaps) if table else (packing.pack, packing.unpack)
    arrays = _arrays_fast(request.inputs, tail, model, *forms) if request else None
    if request is None or arrays is None or not all(output.name in model.outputs for output in request.wanted):
        loose, arrays = v2_violations.decode(text, tail, model)
        request = msgspec.convert({**loose, "inputs": []}, _LOOSE)
    if table:
        arrays = table.settled(arrays)
    if len({len(rows) for rows in arrays.values()}) > 1:
        raise Invalid([("#/inputs", "must all have the same number of rows")])
    binary = bool(request.parameters and request.parameters.binary_data_output)
    wanted = {output.name: output.as_bytes(binary) for output in request.wanted}
    return Inference(request.id, arrays, wanted or dict.fromkeys(model.outputs, binary))


def encode(model: Model, inference: Inference, outputs: Arrays) -> tuple[bytes, int | None]:
    """The protocol's response, and the length of the JSON in it if bytes follow.

    Data in JSON is flat, in row-major order. Raises NotFinite for what JSON cannot express.
    """
    response: dict[str, Any] = {"model_name": model.name, "model_version": model.version}
    if inference.id is not None:
        response["id"] = inference.id
    tensors, tail = [], []
    for name, as_bytes in inference.outputs.items():
        array = outputs[name]
        tensor: dict[str, Any] = {"name": name, "datatype": model.outputs[name].datatype, "shape": array.shape}
        if as_bytes:
            tail.append(array.tobytes())
            tensor["parameters"] = {"binary_data_size": array.nbytes}
        else:
            packing.check_finite(array)
            tensor["data"] = array.ravel().tolist()
        tensors.append(tensor)
    response["outputs"] = tensors
    text = json.dump(response)
    return (b"".join((text, *tail)), len(text)) if tail else (text, None)


def _arrays_fast(inputs: list[Input[Any]], tail: bytes, model: Model, pack: Pack, unpack: Unpack) -> Arrays | None:
    """The arrays, or None if anything about them is unusual or wrong."""
    arrays: Arrays = {}
    offset = 0
    for tensor in inputs:
        row = model.rows.get(tensor.name)
        if row is None or tensor.name in arrays or tensor.datatype != row.datatype:
            return None
        if not tensor.shape or tensor.shape[0] < 1 or tensor.shape[1:] not in row.shapes:
            return None
        count, size = tensor.shape[0] * row.values, tensor.binary_data_size
        if size is None:
            array = pack(tensor.data, row.datatype) if tensor.data else None
        elif tensor.data is None and _is_size(size, count, row) and offset + size <= len(tail):
            array = unpack(tail[offset : offset + size], row.datatype)
            offset += size
        else:
            return None
        if array is None or array.size != count:
            return None
        arrays[tensor.name] = array.reshape(tensor.shape)
    return arrays if offset == len(tail) and len(arrays) == len(model.inputs) else None


def _is_size(size: int, count: int, row: Row) -> bool:
    """Whether so many values may be of so many bytes."""
    return size >= 0 if row.item_size is None else size == count * row.item_size
