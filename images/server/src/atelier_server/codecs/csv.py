"""Rows as CSV: one row a line, under a header or in the order of the features."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from atelier_store import tables
from atelier_store.in_words import counted
from atelier_store.records import Column, Manifest, Tensor
from atelier_store.tables import NUMBER, Line
from python_multipart.multipart import parse_options_header

from atelier_server.codecs import columns, packing, values
from atelier_server.codecs.columns import Table
from atelier_server.codecs.inference import Arrays
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
    width = math.prod(tensor.shape[1:])

    def wrong(_: int, cell: str) -> str | None:
        return values.check(_value(cell), tensor.datatype) if cell else "must be a number, is empty"

    raise Invalid(_violations(header, lines, names, width, wrong))


def decode_table(content: bytes, content_type: str, table: Table) -> Arrays:
    """The inputs of rows for a table: the same as from JSON instances with these values.

    An empty cell is a gap, as is each text that meant one in training. Header and errors as in decode.
    """
    lines = _lines(content, _parameter(content_type, "charset"))
    names = tuple(map(tables.spelling, table.names))
    header = lines.pop(0) if lines and _is_header(lines[0], names, _parameter(content_type, "header")) else None
    order = [header.cells.index(name) for name in names] if header and sorted(header.cells) == sorted(names) else None
    if lines and (header is None or order) and {len(line.cells) for line in lines} == {len(names)}:
        cells = list(zip(*(line.cells for line in lines), strict=True))
        by_column = [
            _values(cells[at], column, table)
            for at, column in zip(order or range(len(names)), table.columns, strict=True)
        ]
        inputs = None if None in by_column else table.inputs([column for column in by_column if column is not None])
        if inputs is not None:
            return inputs

    def wrong(at: int, cell: str) -> str | None:
        if at >= len(table.columns):
            return None  # the line is reported
        column = table.columns[at]
        return columns.check(_cell(cell, column, table), column, gap="empty")

    raise Invalid(_violations(header, lines, names, len(names), wrong))


def _values(cells: Sequence[str], column: Column, table: Table) -> Sequence[Any] | None:
    """The cells of a column as JSON would have them; None if one that should be a number is not."""
    if column.kind != "number":
        return [_cell(cell, column, table) for cell in cells]
    if numbers := tables.floats(cells):
        return numbers
    given = tables.floats([cell for cell in cells if not table.is_gap(cell)])
    if given is None:
        return None
    rest = iter(given)
    return [None if table.is_gap(cell) else next(rest) for cell in cells]


def _cell(cell: str, column: Column, table: Table) -> int | float | str | None:
    """One cell as JSON would have it."""
    if column.kind == "category" and table.is_level(column, cell):
        return cell
    if table.is_gap(cell):
        return None
    return _value(cell) if column.kind == "number" else cell


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
    header: Line | None,
    lines: Sequence[Line],
    names: Sequence[str],
    width: int,
    wrong: Callable[[int, str], str | None],
) -> Iterator[Violation]:
    """Everything that is wrong; wrong says it of a cell, by the place of its feature among those of a row."""
    if header and not names:
        yield f"#/line/{header.number}", "must be a row of numbers: this model's features have no names for a header"
        return
    if header:
        yield from _in_header(header, names)
    if not lines:
        yield "#", "must hold at least one row"
    of_cell = header.cells if header else names
    places = {name: place for place, name in enumerate(names)}
    width = len(header.cells) if header else width
    for line in lines:
        if len(line.cells) != width:
            yield f"#/line/{line.number}", f"must have {counted(width, 'value')}, has {len(line.cells)}"
        for index, cell in enumerate(line.cells):
            name = of_cell[index] if index < len(of_cell) else None
            if header and name not in places:
                continue  # the column is reported with the header
            if said := wrong(places[name] if header and name is not None else index, cell):
                yield f"#/line/{line.number}/column/{index + 1}", f"{name}: {said}" if name else said


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
