"""Predictions of test samples as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.markup import escape
from rich.table import Table

from atelier_cli.serving import Sample


def predictions(samples: Sequence[Sample]) -> Table:
    """What the server predicted for test samples, beside the truth."""
    table = Table(title="Predictions of test samples over HTTP", title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("row", "truth", "prediction", "probability"):
        table.add_column(name, justify="right")
    for sample in samples:
        probability = "" if sample.probability is None else f"{sample.probability:.3f}"
        names = escape(sample.truth), escape(sample.prediction)
        table.add_row(str(sample.row), *names, probability, style="" if sample.is_right else "yellow")
    return table
