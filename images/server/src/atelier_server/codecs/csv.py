"""Rows as CSV: one row a line, under a header or in the order of the features."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from atelier_store import tables
from atelier_store.records import Manifest, Tensor
from atelier_store.tables import NUMBER, Line
from python_multipart.multipart import parse_options_header

from atelier_server.codecs import packing, values
from atelier_server.codecs.violations import Invalid, Malformed, Unsupported, Violation

MOST_DIGITS = 400
"""Digits of a whole number that is converted exactly; a longer one is out of every range."""


def decode(content: bytes, content_type: str, manifest: Manifest) -> np.ndarray:
    """The rows, shape (N, *input shape), in the input's datatype: the same as from JSON instances with these numbers.

    Each line holds the numbers of one row in row-major order. The first line is a header if it contains a feature's
    name or no number, unless the Content-Type says header=present or header=absent (RFC 4180).

    Raises Malformed if it is not CSV in UTF-8, Unsupported if the model takes no rows, Invalid with all violations.
    """
    if manifest.kind == "images":
        raise Unsupported(
            "this model takes images, not CSV rows: send pictures, or their pixels as JSON {'instances': [...]}"
        )
    lines = _lines(content, _parameter(content_type, "charset"))
    tensor, names = manifest.inputs[0], tuple(map(tables.spelling, manifest.feature_names or ()))
    header = lines.pop(0) if lines and _is_header(lines[0], names, _parameter(content_type, "header")) else None
    if header is None or sorted(header.cells) == sorted(names):
        array = _convert([line.cells for line in lines], tensor)
        if array is not None:
            order = [header.cells.index(name) for name in names] if header else slice(None)
            return array[:, order].reshape(len(lines), *tensor.shape[1:])
    raise Invalid(_violations(header, lines, names, tensor))


def _parameter(content_type: str, name: str) -> str | None:
    """A parameter of a Content-Type, such as its charset."""
    value = parse_options_header(content_type)[1].get(name.encode())
    return None if value is None else value.decode("latin-1")


def _lines(content: bytes, charset: str | None) -> list[Line]:
    if charset and charset.lower() not in ("utf-8", "utf8", "us-ascii"):
        raise Unsupported(f"the charset of CSV must be utf-8, is {charset}")
    try:
        return tables.lines(content)
    except tables.UnreadableTable as error:
        raise Malformed("CSV", f"the body is not CSV: {error}") from error


def _is_header(line: Line, names: Sequence[str], header: str | None) -> bool:
    if header in ("present", "absent"):
        return header == "present"
    numbers = [NUMBER.fullmatch(cell) is not None for cell in line.cells]
    if any(numbers):
        return not all(numbers) and any(cell in names for cell in line.cells)
    return any(line.cells)


def _convert(rows: list[list[str]], tensor: Tensor) -> np.ndarray | None:
    """The numbers, shape (N, numbers of a row); None if anything is wrong with them."""
    width = math.prod(tensor.shape[1:])
    flat = packing.flatten(rows, (width,)) if rows else None
    if flat is None:
        return None
    numbers = tables.floats(flat)
    array = None if numbers is None else packing.pack(numbers, tensor.datatype)
    if array is None:
        array = values.convert(list(map(_value, flat)), 1, tensor.datatype)
    return None if array is None else array.reshape(len(rows), width)


def _value(cell: str) -> int | float | str:
    """The cell as JSON would have it: a number, or else a text."""
    if not NUMBER.fullmatch(cell):
        return cell
    return int(cell) if cell.lstrip("+-").isdigit() and len(cell) <= MOST_DIGITS else float(cell)


def _violations(
    header: Line | None, lines: Sequence[Line], names: Sequence[str], tensor: Tensor
) -> Iterator[Violation]:
    if header and not names:
        yield f"#/line/{header.number}", "must be a row of numbers: this model's features have no names for a header"
        return
    if header:
        yield from _in_header(header, names)
    if not lines:
        yield "#", "must hold at least one row"
    columns = header.cells if header else names
    width = len(header.cells) if header else math.prod(tensor.shape[1:])
    for line in lines:
        if len(line.cells) != width:
            yield f"#/line/{line.number}", f"must have {width} values, has {len(line.cells)}"
        for index, cell in enumerate(line.cells):
            name = columns[index] if index < len(columns) else None
            if header and name not in names:
                continue  # the column is reported with the header
            if wrong := values.check(_value(cell), tensor.datatype) if cell else "must be a number, is empty":
                yield f"#/line/{line.number}/column/{index + 1}", f"{name}: {wrong}" if name else wrong


def _in_header(header: Line, names: Sequence[str]) -> Iterator[Violation]:
    for index, name in enumerate(header.cells):
        pointer = f"#/line/{header.number}/column/{index + 1}"
        if name not in names:
            yield pointer, f"{values.shown(name)} is not a feature of this model; its features: {', '.join(names)}"
        elif name in header.cells[:index]:
            yield pointer, f"{values.shown(name)} is given twice"
    for name in names:
        if name not in header.cells:
            yield f"#/line/{header.number}", f"{values.shown(name)} is missing"
