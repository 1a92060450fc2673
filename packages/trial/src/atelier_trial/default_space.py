"""The search space of a profile that has none: of rows, for the built-in networks.

What is fixed in it won wherever it was tried: a layer that needs no other learning rate when it is wider, no batch
normalisation, eight networks in one. Sources are in `atelier_trainer.row_networks`; what was measured is in
benchmarks/README.md.
"""

from __future__ import annotations

from typing import Any


def default_space(kind: str | None) -> list[dict[str, Any]]:
    """Parameters as Katib has them, every number as text; empty for a kind that has none by default, or is unknown."""
    return ROWS if kind == "rows" else []


def _choice(name: str, *values: str) -> dict[str, Any]:
    return {"name": name, "parameterType": "categorical", "feasibleSpace": {"list": list(values)}}


def _number(name: str, *values: float) -> dict[str, Any]:
    return {"name": name, "parameterType": "discrete", "feasibleSpace": {"list": list(map(str, values))}}


def _between(name: str, low: float, high: float) -> dict[str, Any]:
    space = {"min": str(low), "max": str(high), "distribution": "logUniform"}
    return {"name": name, "parameterType": "double", "feasibleSpace": space}


ROWS: list[dict[str, Any]] = [
    _choice("parametrisation", "ntk"),
    _choice("norm", "none"),
    _number("members", 8),
    _choice("scaling", "standard", "linear"),
    _choice("embedding", "none", "piecewise_auto", "pbld"),
    _number("stem_width", 64, 128, 256),
    {"name": "stage1_depth", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "2"}},
    _number("stage1_width", 64, 128, 256),
    _choice("stage1_op", "dense", "residual"),
    _choice("activation", "relu", "silu"),
    _number("dropout", 0, 0.1, 0.2, 0.3),
    _between("lr", 0.003, 0.05),
    _between("weight_decay", 0.005, 0.5),
    _number("batch", 32, 128),
]
