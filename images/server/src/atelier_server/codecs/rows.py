"""Rows as JSON: {"instances": [...]} in, one prediction per row out."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any

import msgspec
import numpy as np
from atelier_store import tables, thresholds
from atelier_store.in_words import counted
from atelier_store.records import Manifest, Tensor
from msgspec.structs import astuple

from atelier_server.codecs import columns, json, packing, values
from atelier_server.codecs.columns import Table
from atelier_server.codecs.inference import Arrays
from atelier_server.codecs.violations import Invalid, Violation, token
from atelier_server.models.model import Model


def decode(content: bytes, manifest: Manifest) -> np.ndarray:
    """The rows of {"instances": [...]}, shape (N, *input shape), in the input's datatype.

    Lists of numbers are decoded without a look at each; everything else value by value. Raises Malformed if it is not
    JSON, Invalid with all violations.
    """
    rows = _decode_fast(content, manifest.inputs[0])
    return _decode_checked(_instances(content), manifest) if rows is None else rows


def _decode_fast(content: bytes, tensor: Tensor) -> np.ndarray | None:
    try:
        request = _decoder(len(tensor.shape)).decode(content)
    except packing.UNUSUAL:
        return None
    rows = request.instances
    flat = packing.flatten(rows, tensor.shape[1:])
    array = packing.pack(flat, tensor.datatype) if flat else None
    return None if array is None else array.reshape(len(rows), *tensor.shape[1:])


@cache
def _decoder(depth: int) -> msgspec.json.Decoder[Any]:
    """A decoder of lists of numbers, depth deep, that takes no booleans."""
    nested: Any = int | float
    for _ in range(depth):
        nested = list[nested]
    return msgspec.json.Decoder(msgspec.defstruct("Instances", [("instances", nested)], forbid_unknown_fields=True))


def _instances(content: bytes) -> list[Any]:
    """The rows of a request, not yet looked at. Raises Malformed or Invalid if it is anything else, or has none."""
    request = json.parse(content.removeprefix(BOM_UTF8))
    if not isinstance(request, dict):
        raise Invalid([("#", f'must be an object {{"instances": [...]}}, is {values.shown(request)}')])
    unknown = [(f"#/{token(name)}", "is not known; only instances is") for name in request if name != "instances"]
    rows = request.get("instances")
    if unknown or not isinstance(rows, list) or not rows:
        wrong = [] if isinstance(rows, list) and rows else [("#/instances", _not_rows(request))]
        raise Invalid(unknown + wrong)
    return rows


def _decode_checked(rows: list[Any], manifest: Manifest) -> np.ndarray:
    tensor, names = manifest.inputs[0], manifest.feature_names
    rows = [_spelt(row, names) for row in rows] if names else rows
    ordered = [_ordered(row, names) for row in rows] if names else rows
    array = values.convert(ordered, len(tensor.shape), tensor.datatype)
    if array is None or array.shape[1:] != tensor.shape[1:]:
        raise Invalid(_violations(rows, tensor, names))
    return array


def decode_table(content: bytes, table: Table) -> Arrays:
    """The inputs of {"instances": [...]} for a table: rows keyed by column, or lists in the columns' order.

    null is a gap; every row has every column. Raises Malformed if it is not JSON, Invalid with all violations.
    """
    try:
        rows = table.decoder.decode(content).instances
    except packing.UNUSUAL:
        rows = []
    if rows:
        by_column = list(zip(*(row if isinstance(row, tuple) else astuple(row) for row in rows), strict=True))
        inputs = table.inputs(by_column)
        if inputs is not None:
            return inputs
    return _decode_table_checked(_instances(content), table)


def _decode_table_checked(rows: list[Any], table: Table) -> Arrays:
    spelt = [
        {table.spelt(name): value for name, value in row.items()} if isinstance(row, dict) else row for row in rows
    ]
    wrong = _in_table(rows, spelt, table)
    if (first := next(wrong, None)) is not None:
        raise Invalid(chain([first], wrong))
    ordered = ([row[name] for name in table.names] if isinstance(row, dict) else row for row in spelt)
    inputs = table.inputs(list(zip(*ordered, strict=True)))
    assert inputs is not None, "every value was checked"
    return inputs


def _in_table(rows: list[Any], spelt: list[Any], table: Table) -> Iterator[Violation]:
    for index, (given, row) in enumerate(zip(rows, spelt, strict=True)):
        pointer = f"#/instances/{index}"
        if isinstance(row, dict):
            if len(row) < len(given):
                yield pointer, "has the same column twice, in two spellings"
            for column in table.columns:
                step = f"{pointer}/{token(column.name)}"
                if column.name not in row:
                    yield step, "is missing; null is a gap"
                elif wrong := columns.check(row[column.name], column):
                    yield step, wrong
            for name in row:
                if name not in table.names:
                    yield f"{pointer}/{token(name)}", table.unknown
        elif not isinstance(row, list):
            yield pointer, f"must be an object by column, or a list of {len(table.names)}, is {values.shown(row)}"
        elif len(row) != len(table.names):
            yield pointer, f"must have {counted(len(table.names), 'value')}, has {len(row)}"
        else:
            for number, (value, column) in enumerate(zip(row, table.columns, strict=True)):
                if wrong := columns.check(value, column):
                    yield f"{pointer}/{number}", f"{column.name}: {wrong}"


def classes(manifest: Manifest) -> Sequence[str]:
    """The labels, in the order of the outputs; none if the model predicts values."""
    return manifest.labels or () if manifest.task == "classification" else ()


def check_top_k(top_k: int, manifest: Manifest) -> None:
    """Raises Invalid if the model does not have so many classes."""
    count = len(classes(manifest))
    if not 1 <= top_k <= count:
        what = "labels" if manifest.task == "multilabel" else "values"
        allowed = f"must be 1 to {count}, the number of classes" if count else f"must not be given to a model of {what}"
        raise Invalid([("#/query/top_k", f"{allowed}, is {values.shown(top_k)}")])


def encode(model: Model, outputs: np.ndarray, top_k: int | None = None) -> dict[str, Any]:
    """One prediction for each of the N rows; with top_k only of that many classes: its label's, then the likeliest."""
    labels = classes(model.manifest)
    if model.manifest.task == "multilabel":
        predictions = _labelled(model.manifest, outputs)
    elif labels:
        chosen = thresholds.classes(outputs, model.manifest.thresholds)
        predictions = _most_probable(labels, outputs, chosen, top_k) if top_k else _probable(labels, outputs, chosen)
    else:
        predictions = _values(model.manifest.target_names, outputs)
    return {"predictions": predictions, "model": model.name, "version": model.version}


def _labelled(manifest: Manifest, outputs: np.ndarray) -> list[dict[str, Any]]:
    """The labels of each row, any number of them, and the probability of each."""
    names = manifest.labels or ()
    given = thresholds.labels(outputs, manifest.thresholds).tolist()
    return [
        {
            "labels": [name for name, is_given in zip(names, of_row, strict=True) if is_given],
            "probabilities": dict(zip(names, row, strict=True)),
        }
        for of_row, row in zip(given, outputs.tolist(), strict=True)
    ]


def _values(names: Sequence[str] | None, outputs: np.ndarray) -> list[dict[str, Any]]:
    """A value for each row; of several targets an object by name, or a list where they have no names."""
    if names:
        return [{"value": dict(zip(names, row, strict=True))} for row in outputs.tolist()]
    return [{"value": row[0] if len(row) == 1 else row} for row in outputs.tolist()]


def _probable(labels: Sequence[str], outputs: np.ndarray, chosen: np.ndarray) -> list[dict[str, Any]]:
    return [
        {"label": labels[best], "probability": row[best], "probabilities": dict(zip(labels, row, strict=True))}
        for best, row in zip(chosen.tolist(), outputs.tolist(), strict=True)
    ]


def _most_probable(labels: Sequence[str], outputs: np.ndarray, chosen: np.ndarray, top_k: int) -> list[dict[str, Any]]:
    ranked = outputs.copy()
    ranked[np.arange(len(ranked)), chosen] = np.inf  # which a threshold may have chosen, though it is less probable
    # stable: the first of equal classes comes first, as with argmax
    order = np.argsort(-ranked, axis=1, kind="stable")[:, :top_k]
    probabilities = np.take_along_axis(outputs, order, axis=1)
    return [
        {
            "label": labels[numbers[0]],
            "probability": row[0],
            "probabilities": {labels[number]: probability for number, probability in zip(numbers, row, strict=True)},
        }
        for numbers, row in zip(order.tolist(), probabilities.tolist(), strict=True)
    ]


def _spelt(row: Any, names: Sequence[str]) -> Any:
    """A row keyed by feature names, in the model's spelling of them; anything else unchanged."""
    if not isinstance(row, dict) or row.keys() <= set(names):
        return row
    own = {tables.spelling(name): name for name in names}
    spelt = {own.get(tables.spelling(key), key): value for key, value in row.items()}
    return spelt if len(spelt) == len(row) else row


def _ordered(row: Any, names: Sequence[str]) -> Any:
    """A row keyed by feature names, as a list in the model's order; anything else unchanged."""
    if not isinstance(row, dict) or row.keys() != set(names):
        return row
    return [row[name] for name in names]


def _violations(rows: list[Any], tensor: Tensor, names: Sequence[str] | None) -> Iterator[Violation]:
    for index, row in enumerate(rows):
        pointer = f"#/instances/{index}"
        if isinstance(row, dict):
            yield from _named(row, names, tensor.datatype, pointer)
        else:
            yield from values.walk(row, tensor.shape[1:], tensor.datatype, pointer)


def _named(row: dict[str, Any], names: Sequence[str] | None, datatype: str, pointer: str) -> Iterator[Violation]:
    if not names:
        yield pointer, "must be a list of numbers: this model's features have no names"
        return
    for name in names:
        if name not in row:
            yield f"{pointer}/{token(name)}", "is missing"
        elif wrong := values.check(row[name], datatype):
            yield f"{pointer}/{token(name)}", wrong
    for name in row:
        if name not in names:
            yield f"{pointer}/{token(name)}", f"is not a feature of this model; its features: {', '.join(names)}"


def _not_rows(request: dict[str, Any]) -> str:
    if "instances" not in request:
        return "is missing"
    return f"must be a list of at least one row, is {values.shown(request['instances'])}"
