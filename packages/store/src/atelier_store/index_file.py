"""The file of an index: rows by column, as JSON with its digest. 10,000 are read in a moment.

Columns hold few kinds of values. Those that are the same again and again stand there once, and so do the names of
parameters and metrics.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

from atelier_store import sealed, words
from atelier_store.files import write_text
from atelier_store.trial_rows import BundleRow, CardRow, TrialRow

SCHEMA_VERSION = 2

FIELDS = [*TrialRow._fields, *CardRow._fields, *BundleRow._fields]
"""A file with others was written by another release."""


class Entry(NamedTuple):
    """A row, and the identities of its record, card and manifest when it was read, one after the other.

    is_settled: while the files are these, the row holds.
    """

    row: TrialRow
    files: tuple[int, ...]
    is_settled: bool


def write(path: Path, entries: dict[str, Entry]) -> None:
    """Write settled entries, at least one and none with a damaged file, by the names of their records. OSError."""
    rows = _columns(TrialRow._fields, [entry.row for entry in entries.values()])
    cards, bundles = ([row or () for row in rows.pop(of)] for of in ("card", "bundle"))
    parameters = rows.pop("parameters")
    card_columns, bundle_columns = _columns(CardRow._fields, cards), _columns(BundleRow._fields, bundles)
    metrics = bundle_columns.pop("metrics")
    kept = {
        "schema_version": SCHEMA_VERSION,
        "fields": FIELDS,
        "names": list(entries),
        "files": list(zip(*(entry.files for entry in entries.values()), strict=True)),
        "rows": _packed(rows),
        "parameters": _packed(_by_name(parameters)),
        "cards": _packed(card_columns),
        "bundles": _packed(bundle_columns),
        "metrics": _packed(_by_name(metrics)),
    }
    write_text(path, sealed.document(json.dumps(kept, separators=(",", ":")).removesuffix("}") + "\n}"))


def read(path: Path) -> dict[str, Entry]:
    """The entries in a file; none if there is none, it is damaged, or another release wrote it."""
    try:
        content = path.read_bytes()
        kept = json.loads(sealed.read_document(content)) if sealed.is_document(content) else {}
    except (OSError, ValueError):
        return {}
    if kept.get("schema_version") != SCHEMA_VERSION or kept.get("fields") != FIELDS:
        return {}
    rows, cards, bundles = (_unpacked(kept[name]) for name in ("rows", "cards", "bundles"))
    count = len(kept["names"])
    bundles["metrics"] = _of_names(_unpacked(kept["metrics"]), count)
    rows["parameters"] = _of_names(_unpacked(kept["parameters"]), count)
    rows["card"] = [None if row[0] is None else CardRow._make(row) for row in _rows(CardRow._fields, cards)]
    rows["bundle"] = [None if row[0] is None else BundleRow._make(row) for row in _rows(BundleRow._fields, bundles)]
    whole = map(TrialRow._make, _rows(TrialRow._fields, rows))
    files = zip(*kept["files"], strict=True)
    return dict(zip(kept["names"], map(Entry, whole, files, repeat(True)), strict=True))


def _packed(columns: dict[str, Sequence[Any]]) -> dict[str, Any]:
    return {name: words.packed(column) for name, column in columns.items()}


def _unpacked(columns: dict[str, Any]) -> dict[str, list[Any]]:
    return {name: words.unpacked(column) for name, column in columns.items()}


def _columns(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Sequence[Any]]:
    """The columns of rows, by name; an empty row is one of nulls."""
    nulls = [None] * len(names)
    return dict(zip(names, zip(*(row or nulls for row in rows), strict=True), strict=True))


def _rows(names: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
    """The rows of such columns."""
    return zip(*(columns[name] for name in names), strict=True)


def _by_name(rows: Sequence[dict[str, Any] | None]) -> dict[str, Sequence[Any]]:
    """The columns of rows that are dicts without nulls, of which each may have other names."""
    names = dict.fromkeys(name for row in rows if row for name in row)
    return {name: [row.get(name) if row else None for row in rows] for name in names}


def _of_names(columns: dict[str, list[Any]], count: int) -> list[dict[str, Any]]:
    """The rows of such columns."""
    if not columns:
        return [{} for _ in range(count)]
    names, whole = tuple(columns), zip(*columns.values(), strict=True)
    if not any(None in column for column in columns.values()):
        return [dict(zip(names, values)) for values in whole]  # noqa: B905  # as many, and it takes longer to say so
    return [{name: value for name, value in zip(names, values, strict=True) if value is not None} for values in whole]
