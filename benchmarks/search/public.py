"""Tables of public benchmarks, from files that everybody can get; the repository has none of their results.

cells: a CSV of NAS-Bench-201 or NATS-Bench with the columns ArchitectureString and CIFAR100TestAccuracy200Epochs, as
the repository v-tao/nats-bench-landscape has one. stages: nas-bench-macro_cifar10.json of xiusu/NAS-Bench-Macro.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.search import tables
from benchmarks.search.tables import EPOCHS, Table

ACCURACY = "CIFAR100TestAccuracy200Epochs"
CELLS, WIDTHS, SIDES = 5, (16, 32, 64), (32, 16, 8)
"""Cells of each of the three parts of a network, their channels, and the side of their pictures."""

KERNELS = {"nor_conv_1x1": 1, "nor_conv_3x3": 9}
"""Weights of a convolution for each pair of channels."""


def cells(path: Path) -> Table:
    """NAS-Bench-201: six places of a cell for five operations, by the mean accuracy on CIFAR-100 after 200 epochs."""
    with path.open(newline="") as file:
        accuracy = {_operations(row["ArchitectureString"]): float(row[ACCURACY]) for row in csv.DictReader(file)}
    points = [tuple(params.values()) for params in tables.points("cells")]
    kernels = np.array([sum(KERNELS.get(operation, 0) for operation in point) for point in points], np.float64)
    norms = np.array([sum(operation in KERNELS for operation in point) for point in points], np.float64)
    params = CELLS * (kernels * sum(width**2 for width in WIDTHS) + norms * 2 * sum(WIDTHS))
    macs = CELLS * kernels * sum((width * side) ** 2 for width, side in zip(WIDTHS, SIDES, strict=True))
    return _table("cells", [accuracy[point] for point in points], {"params": params, "macs": macs})


def _operations(architecture: str) -> tuple[str, ...]:
    """The operations of |a~0|+|b~0|c~1|+|d~0|e~1|f~2|."""
    nodes = architecture.split("+")
    return tuple(part.split("~")[0] for node in nodes for part in node.strip("|").split("|"))


def stages(path: Path) -> Table:
    """NAS-Bench-Macro: eight places for three blocks, by the mean accuracy on CIFAR-10 of three trainings."""
    networks = json.loads(path.read_text())
    blocks = tables.parameters("stages")[0]["feasibleSpace"]["list"]
    codes = ["".join(str(blocks.index(block)) for block in params.values()) for params in tables.points("stages")]
    costs = {name: np.array([networks[c][of] for c in codes]) for name, of in (("params", "params"), ("macs", "flops"))}
    return _table("stages", [networks[code]["mean_acc"] for code in codes], costs)


def _table(name: str, accuracy: list[float], costs: Mapping[str, NDArray[np.float64]]) -> Table:
    """The table, whose loss is the share of errors: the same after each epoch, since only the last is known."""
    loss = np.repeat((1 - np.array(accuracy) / 100)[:, None], EPOCHS, axis=1)
    columns = {"val_loss": loss, **costs}
    return Table(name, {column: values.astype(np.float32) for column, values in columns.items()})
