"""Data related to that of the table of rows, nearly or hardly, and the curves of its networks on them.

    uv run python -m benchmarks.search.relatives

trains NETWORKS of the networks that the table has on each, or goes on with it. One npz file has an array (points,
epochs) of val_loss for each relative; NaN where a network is not recorded.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_wine

from benchmarks.search import digits, tables
from benchmarks.search.tables import EPOCHS, FOLDER, Table

NETWORKS = 400
"""Networks that are trained on each, drawn at random of those of the table."""

EVERY = 10
"""Networks after which the file is written and a line printed."""

Rows = tuple[NDArray[np.float32], NDArray[np.int64]]


def low() -> Rows:
    """The digits 0 to 4."""
    x, y = digits.rows()
    return x[y < 5], y[y < 5]


def high() -> Rows:
    """The digits 5 to 9."""
    x, y = digits.rows()
    return x[y >= 5], y[y >= 5] - 5


def noisy() -> Rows:
    """All digits, with noise as strong as their pixels."""
    x, y = digits.rows()
    return x + np.random.default_rng(0).normal(0, x.std(), x.shape).astype(np.float32), y


def cancer() -> Rows:
    """Wisconsin's breast cancers: 569 rows of 30 numbers, 2 classes."""
    cells = load_breast_cancer()
    return cells.data.astype(np.float32), cells.target.astype(np.int64)


def wine() -> Rows:
    """178 wines by 13 numbers, 3 classes."""
    wines = load_wine()
    return wines.data.astype(np.float32), wines.target.astype(np.int64)


RELATIVES: dict[str, Callable[[], Rows]] = {"low": low, "high": high, "noisy": noisy, "cancer": cancer, "wine": wine}
PATH = FOLDER / "relatives.npz"


def read() -> dict[str, NDArray[np.float32]]:
    """The curves (points, epochs) on each relative."""
    curves = {name: np.full((len(tables.points("rows")), EPOCHS), np.nan, np.float32) for name in RELATIVES}
    if PATH.exists():
        with np.load(PATH) as file:
            curves |= dict(file)
    return curves


def write(curves: dict[str, NDArray[np.float32]]) -> None:
    """Write the curves to the repository, whole."""
    partial = PATH.with_name(f".{PATH.name}")
    arrays: dict[str, Any] = dict(curves)
    np.savez_compressed(partial, allow_pickle=False, **arrays)
    partial.replace(PATH)


def record(name: str, curves: dict[str, NDArray[np.float32]]) -> None:
    """Train the networks that the curves of a relative lack."""
    from atelier_store.layout import Store
    from atelier_trainer import environment
    from atelier_trial import data
    from atelier_trial.request import Request

    from benchmarks.search.record import scores_by_epoch

    spec = tables.spec("rows")
    source = {"source": f"benchmarks.search.relatives:{name}", "kind": "rows", "validationFraction": 0.4}
    of = spec.trainer.data.model_validate(source)
    spec = spec.model_copy(update={"trainer": spec.trainer.model_copy(update={"data": of})})
    drawn = np.random.default_rng(1).permutation(Table.read("rows").recorded)[:NETWORKS].tolist()
    missing = [place for place in drawn if np.isnan(curves[name][place, -1])]
    started, cpu, device = time.monotonic(), time.process_time(), environment.configure(1)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        description = data.prepare(of, store, Path.cwd(), None, spec.trainer.seed, print)
        for number, place in enumerate(missing, 1):
            request = Request(spec, store, "relative", tables.FIXED["rows"] | tables.points("rows")[place])
            curves[name][place] = [scores["val_loss"] for scores in scores_by_epoch(request, description, device)]
            if number % EVERY == 0 or number == len(missing):
                write(curves)
                seconds = f"{time.monotonic() - started:.0f} s, {time.process_time() - cpu:.0f} s of CPU"
                print(f"{name}: {number} of {len(missing)} networks: {seconds}", flush=True)


def main() -> None:
    """Record the curves of every relative, or go on with it."""
    argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None).parse_args()
    curves = read()
    for name in RELATIVES:
        record(name, curves)


if __name__ == "__main__":
    main()
