"""The labels of pictures in a table, where folders do not name them."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from atelier_store.spec import TableFormat

from atelier_trial.data.archives import comparable
from atelier_trial.data.errors import DataError
from atelier_trial.data.raw import few
from atelier_trial.data.tables import reading

PATH, LABEL = "path", "label"
"""The columns that such a table has; others are not looked at."""


def read(path: Path) -> dict[str, str]:
    """The label of each picture by its path below the folder of pictures, as `comparable` has it.

    DataError with every row that has no path or no label, or another label than a row before.
    """
    frame = reading.read(path, TableFormat(), LABEL, may_be_nameless=True)
    assert isinstance(frame.columns, pl.DataFrame)  # no folder is given to read it by parts
    columns = frame.columns.columns
    if missing := [name for name in (PATH, LABEL) if name not in columns]:
        raise DataError([f"{path}: has no column {name!r}; it has: {few(columns, 20)}" for name in missing])
    pairs = frame.columns.select(pl.col(PATH, LABEL).cast(pl.String)).rows()
    labels: dict[str, str] = {}
    violations = []
    for row, (name, label) in enumerate(pairs):
        if not name or not label or not label.strip():
            violations.append(f"{path}, {frame.places[row]}: has no {LABEL if name else PATH}; allowed: both")
        elif labels.setdefault(comparable(name), label) != label:
            before = labels[comparable(name)]
            violations.append(f"{path}, {frame.places[row]}: {name} is {label!r}, and {before!r} in a row before")
    if violations:
        raise DataError(violations[:20] + [f"{path}: and {len(violations) - 20} more"] * (len(violations) > 20))
    return labels
