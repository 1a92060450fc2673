"""A search as the page draws it: the list of all, one with its trials by column, its progress and its curves."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from typing import Any

from atelier_store.halving import rungs
from atelier_store.spec import Objective, Spec
from atelier_store.trial_rows import BundleRow, CardRow, TrialRow

from atelier_board import packed
from atelier_board.looks import Look

FRACTION = re.compile(r"-?\d*\.\d+(e-?\d+)?")


def in_short(look: Look) -> dict[str, Any]:
    """The line of the list: state, best, trials and what they cost."""
    summary, objective = look.summary, _objective(look)
    return {
        "name": look.name,
        "state": summary.state if summary else "unreadable",
        "problem": look.problem,
        "trials": summary.trials if summary else len(look.rows),
        "max_trials": summary.max_trial_count if summary else None,
        "objective": objective and {"name": objective.objective_metric_name, "type": objective.type},
        "best": summary.best if summary else None,
        "best_trial": summary.best_trial if summary else None,
        "epochs": sum(curve.epochs for curve in look.curves.values()),
        "seconds": sum(curve.seconds for curve in look.curves.values()),
        "last_active": summary.last_active if summary else None,
    }


def whole(look: Look) -> dict[str, Any]:
    """One search: what was asked, every trial by column, the order of their ends, and learning curves."""
    columns = columns_of(look)
    del columns["metrics"]  # the page shows them of one trial
    parameters = columns.pop("parameters")
    short = {name: packed.column([_short(value, 6) for value in values]) for name, values in columns.items()}
    chosen = {name: packed.column([_short(value, 5) for value in values]) for name, values in parameters.items()}
    places = {row.trial: place for place, (row, _, _) in enumerate(look.ranked)}
    in_time = [places[row.trial] for row in _in_time(look) if row.trial in places]
    return {
        **in_short(look),
        "has_report": look.has_report,
        "spec": look.spec and _asked(look.spec),
        "trials_by_column": short | {"parameters": chosen},
        "in_time": packed.places(in_time, len(places)),
        "curves": _curves(look),
    }


def as_csv(look: Look) -> str:
    """Every trial in the order of its rank, with all that is known of it; RFC 4180."""
    columns = columns_of(look)
    parameters, metrics = columns.pop("parameters"), columns.pop("metrics")
    table = columns | metrics | {f"parameter:{name}" if name in columns else name: v for name, v in parameters.items()}
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(table)
    writer.writerows(zip(*table.values(), strict=True))
    return file.getvalue()


def status_of(row: TrialRow, reason: str | None) -> str:
    """The status of its card, or what there is instead; over_budget by this search's bounds."""
    if row.damage is not None or isinstance(row.card, str):
        return "damaged"
    if row.key is None:
        return "refused"
    if row.card is None:
        return "waiting"
    return "over_budget" if reason is not None and reason.startswith("over budget") else row.card.status


def _objective(look: Look) -> Objective | None:
    return look.spec.experiment.objective if look.spec else None


def _asked(spec: Spec) -> dict[str, Any]:
    experiment, trainer = spec.experiment, spec.trainer
    return {
        "algorithm": experiment.algorithm.algorithm_name,
        "early_stopping": experiment.early_stopping.algorithm_name,
        "rungs": rungs(experiment.early_stopping, trainer.max_epochs),
        "max_epochs": trainer.max_epochs,
        "keep_weights": trainer.keep_weights,
        "data": trainer.data.words,
        "network": trainer.network,
        "budget": trainer.budget.model_dump(),
        "parameters": [parameter.model_dump(mode="json", exclude_none=True) for parameter in experiment.parameters],
    }


def best(look: Look, most: int) -> list[str]:
    """The names of so many trials, the best first; of those alone that have a rank."""
    return [row.trial for row, rank, _ in look.ranked if rank is not None and rank <= most]


def columns_of(look: Look) -> dict[str, Any]:
    """What is known of every trial, by name and in the order of their ranks; of parameters and metrics by theirs."""
    objective = _objective(look)
    rows = [row for row, _, _ in look.ranked]
    cards = [row.card if isinstance(row.card, CardRow) else None for row in rows]
    bundles = [row.bundle if isinstance(row.bundle, BundleRow) else None for row in rows]
    return {
        "trial": [row.trial for row in rows],
        "key": [row.key for row in rows],
        "rank": [rank for _, rank, _ in look.ranked],
        "status": [status_of(row, reason) for row, _, reason in look.ranked],
        "value": [_value(look, row, objective) for row in rows],
        "epochs": [
            look.curve(row).epochs or (card.epochs if card else 0) for row, card in zip(rows, cards, strict=True)
        ],
        "seconds": [round(look.curve(row).seconds, 1) for row in rows],
        "params": [card and card.params for card in cards],
        "macs": [card and card.macs for card in cards],
        "latency_p50_ms": [card and card.latency_p50_ms for card in cards],
        "onnx_bytes": [bundle and bundle.onnx_bytes for bundle in bundles],
        "reason": [reason for _, _, reason in look.ranked],
        "note": [_noted(look, row) for row in rows],
        "metrics": _by_name([bundle.metrics if bundle else {} for bundle in bundles]),
        "parameters": _by_name([row.parameters for row in rows]),
    }


def _short(value: Any, digits: int) -> Any:
    """A number, or a text that is a fraction, with the digits that a page shows: half of the bytes."""
    if isinstance(value, str) and FRACTION.fullmatch(value):
        value = float(value)
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value


def _noted(look: Look, row: TrialRow) -> str | None:
    """What a person says of a trial, after a star if it has one."""
    note = look.notes.get(row.key or "")
    return f"{'★ ' if note.starred else ''}{note.text}".strip() if note else None


def _by_name(dicts: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for one in dicts for name in one)
    return {name: [one.get(name) for one in dicts] for name in names}


def _value(look: Look, row: TrialRow, objective: Objective | None) -> float | None:
    """The objective of the weights that it keeps; of one that trains, of those so far. A card may be of another."""
    if objective is None or not isinstance(row.card, CardRow):
        return None
    if row.card.status != "running" and row.card.value is not None:
        if row.card.objective_metric_name == objective.objective_metric_name:
            return row.card.value
        bundle = row.bundle
        return bundle.metrics.get(objective.objective_metric_name) if isinstance(bundle, BundleRow) else None
    values = look.curve(row).values
    return values[-1] if values else None


def progress(look: Look) -> dict[str, Any]:
    """What the best value so far is drawn from: the trials that ended, by column and in the order of their ends."""
    rows, objective = _in_time(look), _objective(look)
    return {
        "objective": objective and {"name": objective.objective_metric_name, "type": objective.type},
        "trials": {
            "trial": packed.column([row.trial for row in rows]),
            "value": packed.column([_short(_value(look, row, objective), 6) for row in rows]),
            "epochs": packed.column([look.curve(row).epochs for row in rows]),
            "seconds": packed.column([round(look.curve(row).seconds, 1) for row in rows]),
        },
    }


def values_in_time(look: Look) -> list[float]:
    """The values of the trials that have one, in the order of their ends."""
    values = [_value(look, row, _objective(look)) for row in _in_time(look)]
    return [value for value in values if value is not None and math.isfinite(value)]


def _in_time(look: Look) -> list[TrialRow]:
    rows = [row for row in look.rows if row.key is not None and isinstance(row.card, CardRow)]
    return sorted(rows, key=lambda row: row.card.updated_at if isinstance(row.card, CardRow) else "")


def _curves(look: Look) -> dict[str, Any]:
    """The curve of every trial, and when it was at work, one after the other; trials in the order of their ranks."""
    curves = [look.curve(row) for row, _, _ in look.ranked]
    spans = [span for curve in curves for span in curve.spans]
    return {
        "lengths": packed.column([curve.epochs for curve in curves]),
        "values": packed.numbers([value for curve in curves for value in curve.values]),
        "spans": packed.column([len(curve.spans) for curve in curves]),
        "from": packed.numbers([began for began, _ in spans]),
        "to": packed.numbers([ended for _, ended in spans]),
    }
