"""A model's first reference input as a request in every form that it takes, and the model's own answers to it."""

from __future__ import annotations

import csv
import json
import math
from io import StringIO
from typing import Any

import numpy as np

from atelier_server.codecs import packing, pictures, rows, v2
from atelier_server.codecs.inference import Inference
from atelier_server.models.model import Model

MOST_NUMBERS = 4096
"""Of a row that is shown: more would bury the description."""

MOST_BYTES = 2**16
"""Of a picture that is shown."""


def is_finite(model: Model) -> bool:
    """Whether JSON can express the row and the answers."""
    return all(map(packing.is_finite, (model.example.input, *model.example.outputs.values())))


def is_short(model: Model) -> bool:
    """Whether the row is short enough to be shown."""
    return math.prod(model.input.shape[1:]) <= MOST_NUMBERS


def instances(model: Model) -> dict[str, dict[str, Any]]:
    """The row as JSON instances: as a list, and keyed by the features' names if they have some."""
    [row] = _numbers(model)
    if not (names := model.manifest.feature_names):
        return {"list": {"instances": [row]}}
    return {"named": {"instances": [dict(zip(names, row, strict=True))]}, "list": {"instances": [row]}}


def table(model: Model) -> str:
    """The row as CSV, under a header if the features have names."""
    file = StringIO()
    writer = csv.writer(file, lineterminator="\n")
    if model.manifest.feature_names:
        writer.writerow(model.manifest.feature_names)
    writer.writerow(_numbers(model, flat=True))
    return file.getvalue()


def picture(model: Model) -> bytes | None:
    """The row as a PNG; None if it cannot be one, or is a large one."""
    content = pictures.encode(model.example.input[0])
    return content if content and len(content) <= MOST_BYTES else None


def predictions(model: Model) -> dict[str, Any]:
    """The answer to any of those."""
    return rows.encode(model, model.example.outputs[model.output.name])


def inference(model: Model) -> dict[str, Any]:
    """The row as a request of the Open Inference Protocol."""
    tensor = {"name": model.input.name, "datatype": model.input.datatype, "shape": list(model.example.input.shape)}
    return {"inputs": [{**tensor, "data": _numbers(model, flat=True)}]}


def inferred(model: Model) -> dict[str, Any]:
    """The answer to that."""
    text, _ = v2.encode(model, Inference(None, {}, dict.fromkeys(model.outputs, False)), model.example.outputs)
    answer: dict[str, Any] = json.loads(text)
    return answer


def _numbers(model: Model, flat: bool = False) -> list[Any]:
    """The input as lists; floats with the fewest digits that identify them in their precision."""
    array = model.example.input
    if array.dtype.kind == "f":
        array = array.astype(str).astype(np.float64)
    numbers: list[Any] = (array.ravel() if flat else array).tolist()
    return numbers
