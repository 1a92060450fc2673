"""A model's first reference input as a request in every form that it takes, and the model's own answers to it."""

from __future__ import annotations

import csv
import json
from io import StringIO
from typing import Any

import numpy as np
from atelier_store import instances as stored

from atelier_server.codecs import packing, pictures, rows, v2
from atelier_server.codecs.inference import Inference
from atelier_server.models.model import Model

MOST_NUMBERS = 4096
"""Of a row that is shown: more would bury the description."""

MOST_BYTES = 2**16
"""Of a picture that is shown."""


def is_finite(model: Model) -> bool:
    """Whether JSON can express the row and the answers; it can express the gaps of a table."""
    inputs = () if model.manifest.columns else model.example.inputs.values()
    return all(map(packing.is_finite, (*inputs, *model.example.outputs.values())))


def is_short(model: Model) -> bool:
    """Whether the row is short enough to be shown."""
    return sum(row.values for row in model.rows.values()) <= MOST_NUMBERS


def instances(model: Model) -> dict[str, dict[str, Any]]:
    """The row as JSON instances: as a list, and keyed by the features' names if they have some.

    Of a table, which may have gaps, also the row without its first value; that one may have another answer.
    """
    if columns := model.manifest.columns:
        [named] = stored.instances(model.example.inputs, columns)
        gap = named | {columns[0].name: None}
        rows = {"named": named, "list": list(named.values()), "gap": gap}
        return {name: {"instances": [row]} for name, row in rows.items()}
    [row] = _values(model.example.inputs[model.input.name])
    if not (names := model.manifest.feature_names):
        return {"list": {"instances": [row]}}
    return {"named": {"instances": [dict(zip(names, row, strict=True))]}, "list": {"instances": [row]}}


def table(model: Model) -> str:
    """The row as CSV, under a header if the features have names; a gap is an empty cell."""
    file = StringIO()
    writer = csv.writer(file, lineterminator="\n")
    if model.manifest.feature_names:
        writer.writerow(model.manifest.feature_names)
    if columns := model.manifest.columns:
        writer.writerow(*(row.values() for row in stored.instances(model.example.inputs, columns)))
    else:
        writer.writerow(_values(model.example.inputs[model.input.name].ravel()))
    return file.getvalue()


def picture(model: Model) -> bytes | None:
    """The row as a PNG; None if it cannot be one, or is a large one."""
    content = pictures.encode(model.example.inputs[model.input.name][0])
    return content if content and len(content) <= MOST_BYTES else None


def predictions(model: Model) -> dict[str, Any]:
    """The answer to any of those."""
    return rows.encode(model, model.example.outputs[model.output.name])


def inference(model: Model) -> dict[str, Any]:
    """The row as a request of the Open Inference Protocol."""
    arrays = ((tensor, model.example.inputs[tensor.name]) for tensor in model.manifest.inputs)
    return {
        "inputs": [
            {
                "name": tensor.name,
                "datatype": tensor.datatype,
                "shape": list(array.shape),
                "data": _values(array.ravel()),
            }
            for tensor, array in arrays
        ]
    }


def inferred(model: Model) -> dict[str, Any]:
    """The answer to that."""
    text, _ = v2.encode(model, Inference(None, {}, dict.fromkeys(model.outputs, False)), model.example.outputs)
    answer: dict[str, Any] = json.loads(text)
    return answer


def _values(array: np.ndarray) -> list[Any]:
    """The array as lists; floats with the fewest digits that identify them in their precision, null for a gap."""
    if array.dtype.kind == "f":
        shown = array.astype(str).astype(np.float64)
        array = shown.astype(object)
        array[np.isnan(shown)] = None
    values: list[Any] = array.tolist()
    return values
