"""What is known of prepared data: written by whoever prepares them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from atelier_store.records.record import Record
from atelier_store.spec import ColumnKind, Fit, Kind, Split, Task

OptionalFit = Annotated[Fit | None, Field(exclude_if=lambda fit: fit is None)]
"""Not written if there is none, so that servers which know only stretch can serve what is stretched."""


class Column(Record):
    """One column of a table, and what a prepared array holds of it; atelier_store/columns.py says how.

    levels are a category's own values, as `columns.level` spells them; every other value is "unseen".
    """

    name: str
    kind: ColumnKind
    levels: tuple[str, ...] = ()


OptionalColumns = Annotated[tuple[Column, ...] | None, Field(exclude_if=lambda columns: columns is None)]
"""Not written if there are none, so that what is no table is written as before there were tables."""
OptionalTexts = Annotated[tuple[str, ...] | None, Field(exclude_if=lambda texts: texts is None)]


class DataSource(Record):
    """`data/sources/<digest of the source>.json`: which prepared data a source gives."""

    schema_version: Literal[1] = 1
    digest: str
    notes: tuple[str, ...] = ()


class DataDescription(Record):
    """`data/<digest>/data.json`: the meaning of the prepared arrays.

    digest is over the arrays' dtypes, shapes and bytes and the labels. Images are uint8 (N, H, W) or (N, H, W, C),
    signals float32 (N, L) or (N, L, C), rows float32 (N, F). y is int64 class numbers or float32 targets. fit says how
    pictures were brought to their shape, and uploads have to be; None is stretch. columns are those of a table, whose
    arrays hold their features; feature_names are then the columns' names, and missing the texts that mean a gap, in
    lower case. split is the profile's; where a column decides, train_order holds its values by rank, int64 (N,). The
    last validation_rows of the training arrays are those of a validation file; without one, a search draws them.
    target_names are those of several targets, which have no target_name. weight_name is the column or array that the
    weights of rows come from, if they have any.
    """

    schema_version: Literal[1] = 1
    digest: str
    kind: Kind
    task: Task
    shape: tuple[int, ...]
    columns: OptionalColumns = None
    missing: OptionalTexts = None
    split: Annotated[Split | None, Field(exclude_if=lambda split: split is None)] = None
    fit: OptionalFit = None
    labels: tuple[str, ...] | None
    feature_names: tuple[str, ...] | None = None
    target_name: str | None = None
    target_names: OptionalTexts = None
    weight_name: Annotated[str | None, Field(exclude_if=lambda name: name is None)] = None
    train_rows: int
    validation_rows: Annotated[int | None, Field(exclude_if=lambda rows: rows is None)] = None
    test_rows: int
    source: str
