"""The Open Inference Protocol's tensors, version 2: as JSON, or as bytes after it (the binary tensor data extension)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from atelier_server.codecs import packing, v2_violations
from atelier_server.codecs.v2_violations import BAD_REQUEST
from atelier_server.models.model import Model
from atelier_server.web import answers
from atelier_server.web.problems import Invalid


class InputParameters(msgspec.Struct, frozen=True):
    """Of one tensor; others may be there and mean nothing here."""

    binary_data_size: int | None = None


class Input(msgspec.Struct):
    """One tensor of a request; data flat, and no truth values in it."""

    name: str
    datatype: str
    shape: list[int]
    data: list[int | float] | None = None
    parameters: InputParameters = InputParameters()


class OutputParameters(msgspec.Struct, frozen=True):
    """Of one tensor that is asked for."""

    binary_data: bool | None = None


class Output(msgspec.Struct):
    """One tensor that is asked for."""

    name: str
    parameters: OutputParameters = OutputParameters()


class RequestParameters(msgspec.Struct, frozen=True):
    """Of the whole request."""

    binary_data_output: bool = False


class Request(msgspec.Struct):
    """What nearly every client sends."""

    inputs: list[Input]
    id: str | None = None
    outputs: list[Output] = []
    parameters: RequestParameters = RequestParameters()


@dataclass(frozen=True)
class Inference:
    """A request understood: arrays by input, and the outputs to give, each as bytes or not."""

    id: str | None
    inputs: dict[str, np.ndarray]
    outputs: dict[str, bool]


_usual = msgspec.json.Decoder(Request)


def decode(content: bytes, header: int, model: Model) -> Inference:
    """The request, of which the first header bytes are JSON. Problem 400 if it is not JSON, Invalid with all violations.

    The usual request is taken at a glance. Every other one is looked at number by number, and taken if nothing is wrong with it.
    """
    text, tail = (content, b"") if header == len(content) else (content[:header], content[header:])
    try:
        request = _usual.decode(text)
    except packing.UNUSUAL:
        request = None
    arrays = _arrays(request.inputs, tail, model) if request else None
    if request is None or arrays is None or not all(output.name in model.outputs for output in request.outputs):
        loose, arrays = v2_violations.decode(text, tail, model)
        request = msgspec.convert({**loose, "inputs": []}, Request)
    if len({len(rows) for rows in arrays.values()}) > 1:
        raise Invalid([("#/inputs", "must all have the same number of rows")], BAD_REQUEST)
    binary = request.parameters.binary_data_output
    wanted = {o.name: binary if o.parameters.binary_data is None else o.parameters.binary_data for o in request.outputs}
    return Inference(request.id, arrays, wanted or dict.fromkeys(model.outputs, binary))


def encode(model: Model, inference: Inference, outputs: dict[str, np.ndarray]) -> tuple[bytes, int | None]:
    """The protocol's answer, and the length of the JSON in it if bytes follow. Data in JSON is flat, in row-major order."""
    answer: dict[str, Any] = {"model_name": model.name, "model_version": model.version}
    if inference.id is not None:
        answer["id"] = inference.id
    described, tail = [], []
    for name, as_bytes in inference.outputs.items():
        array = outputs[name]
        shown: dict[str, Any] = {"name": name, "datatype": model.outputs[name].datatype, "shape": array.shape}
        if as_bytes:
            tail.append(array.tobytes())
            shown["parameters"] = {"binary_data_size": array.nbytes}
        else:
            answers.check_finite(array, BAD_REQUEST)
            shown["data"] = array.ravel().tolist()
        described.append(shown)
    answer["outputs"] = described
    text = answers.dump(answer)
    return (b"".join((text, *tail)), len(text)) if tail else (text, None)


def _arrays(inputs: list[Input], tail: bytes, model: Model) -> dict[str, np.ndarray] | None:
    """The arrays, or None if anything about them is unusual or wrong."""
    arrays: dict[str, np.ndarray] = {}
    offset = 0
    for given in inputs:
        row = model.rows.get(given.name)
        if row is None or given.name in arrays or given.datatype != row.datatype:
            return None
        if not given.shape or given.shape[0] < 1 or given.shape[1:] != row.shape:
            return None
        count, size = given.shape[0] * row.values, given.parameters.binary_data_size
        if size is None:
            array = packing.pack(given.data, row.datatype) if given.data else None
        elif given.data is None and size == count * row.item_size and offset + size <= len(tail):
            array = packing.unpack(tail[offset : offset + size], row.datatype)
            offset += size
        else:
            return None
        if array is None or array.size != count:
            return None
        arrays[given.name] = array.reshape(given.shape)
    return arrays if offset == len(tail) and len(arrays) == len(model.inputs) else None
