"""A search as the page draws it: the list of all, one with its trials by column, its progress and its curves."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from statistics import quantiles
from typing import Any

from atelier_store.halving import rungs
from atelier_store.spec import Objective, Spec
from atelier_store.trial_rows import BundleRow, CardRow, TrialRow

from atelier_board.looks import Look

FRACTION = re.compile(r"-?\d*\.\d+(e-?\d+)?")

BEST = 20
"""Curves that are drawn one by one; the others are a band."""


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
    """One search: what was asked, every trial by column, how the best value came about, and learning curves."""
    columns = columns_of(look)
    del columns["metrics"]  # the page shows them of one trial
    columns["parameters"] = {name: list(map(_short, values)) for name, values in columns["parameters"].items()}
    columns["value"] = list(map(_short, columns["value"]))
    return {
        **in_short(look),
        "spec": look.spec and _asked(look.spec),
        "trials_by_column": columns,
        "progress": _progress(look),
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
        "metrics": _by_name([bundle.metrics if bundle else {} for bundle in bundles]),
        "parameters": _by_name([row.parameters for row in rows]),
    }


def _short(value: Any) -> Any:
    """A number, or a text that is a fraction, with the six digits that a page shows: half of the bytes."""
    if isinstance(value, str) and FRACTION.fullmatch(value):
        value = float(value)
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _by_name(dicts: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for one in dicts for name in one)
    return {name: [one.get(name) for one in dicts] for name in names}


def _value(look: Look, row: TrialRow, objective: Objective | None) -> float | None:
    """The objective of the last epoch's weights; of one that trains, of its last epoch. A card may be of another."""
    if objective is None or not isinstance(row.card, CardRow):
        return None
    if row.card.status != "running" and row.card.value is not None:
        if row.card.objective_metric_name == objective.objective_metric_name:
            return row.card.value
        bundle = row.bundle
        return bundle.metrics.get(objective.objective_metric_name) if isinstance(bundle, BundleRow) else None
    values = look.curve(row).values
    return values[-1] if values else None


def values_in_time(look: Look) -> list[float]:
    """The values of the trials that have one, in the order of their ends."""
    values = [_value(look, row, _objective(look)) for row in _in_time(look)]
    return [value for value in values if value is not None and math.isfinite(value)]


def _in_time(look: Look) -> list[TrialRow]:
    rows = [row for row in look.rows if row.key is not None and isinstance(row.card, CardRow)]
    return sorted(rows, key=lambda row: row.card.updated_at if isinstance(row.card, CardRow) else "")


def _progress(look: Look) -> dict[str, list[Any]]:
    """The best value so far, where it changed: after so many trials, epochs and hours of training, in their order."""
    steps: dict[str, list[Any]] = {name: [] for name in ("trials", "epochs", "hours", "best", "trial")}
    objective = _objective(look)
    if objective is None:
        return steps
    rows = _in_time(look)
    best: float | None = None
    name: str | None = None
    epochs, seconds = 0, 0.0
    for count, row in enumerate(rows, 1):
        epochs, seconds = epochs + look.curve(row).epochs, seconds + look.curve(row).seconds
        value = _value(look, row, objective)
        is_better = value is not None and math.isfinite(value) and (best is None or objective.better(value, best))
        if is_better:
            best, name = value, row.trial
        if best is not None and (is_better or count == len(rows)):
            for step, reached in zip(steps, (count, epochs, seconds / 3600, best, name), strict=True):
                steps[step].append(reached)
    return steps


def _curves(look: Look) -> dict[str, Any]:
    """The curves of the best and of those that train, and tenth, middle and ninetieth percentile of the others."""
    shown, rest = [], []
    for row, rank, _ in look.ranked:
        values = look.curve(row).values
        trains = isinstance(row.card, CardRow) and row.card.status == "running"
        if not values:
            continue
        if trains or (rank is not None and rank <= BEST):
            shown.append({"trial": row.trial, "rank": rank, "running": trains, "values": list(map(_short, values))})
        else:
            rest.append(values)
    return {"shown": shown, "others": len(rest), "band": list(_band(rest))}


def _band(curves: Sequence[Sequence[float | None]]) -> Iterable[tuple[int, float, float, float, int]]:
    """Epoch, percentiles and the number of curves, for every epoch that more than one reached."""
    for epoch in range(max(map(len, curves), default=0)):
        values = [value for curve in curves if epoch < len(curve) and (value := curve[epoch]) is not None]
        if len(values) > 1:
            tenths = quantiles(values, n=10, method="inclusive")
            yield epoch + 1, tenths[0], tenths[4], tenths[8], len(values)
