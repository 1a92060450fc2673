"""All trials as CSV (RFC 4180) or as lines of JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from atelier_cli.export.trials import Trial, told

MAPS = ("parameters", "metrics")
"""What a row has many of: in CSV each is a column of its own, as parameters.lr."""


def as_csv(trials: Sequence[Trial], objective_metric_name: str) -> str:
    """A header, and a row for each trial; a column for each parameter and metric that any of them has."""
    rows = [_flat(told(trial, objective_metric_name)) for trial in trials]
    columns = dict.fromkeys(name for row in rows for name in row)
    plain = [name for name in columns if name.partition(".")[0] not in MAPS]
    text = io.StringIO()
    writer = csv.DictWriter(text, [*plain, *(name for group in MAPS for name in columns if _is_of(name, group))])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_json_lines(trials: Sequence[Trial], objective_metric_name: str) -> str:
    """An object for each trial: the same, with its curve."""
    return "".join(f"{json.dumps(_with_curve(trial, objective_metric_name), ensure_ascii=False)}\n" for trial in trials)


def _with_curve(trial: Trial, objective_metric_name: str) -> dict[str, Any]:
    curve = [epoch.model_dump(mode="json", exclude={"schema_version"}) for epoch in trial.curve]
    return told(trial, objective_metric_name) | {"curve": curve}


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    plain = {name: value for name, value in row.items() if name not in MAPS}
    return plain | {f"{group}.{name}": value for group in MAPS for name, value in row[group].items()}


def _is_of(name: str, group: str) -> bool:
    return name.startswith(f"{group}.")
