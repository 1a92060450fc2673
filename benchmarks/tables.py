"""A search of networks for rows beside boosted trees, on tables of numbers: the same split, the same test rows.

    uv run --with lightgbm --with xgboost python -m benchmarks.tables --tables FOLDER

FOLDER holds diamonds.csv, taxis.csv and mpg.csv of https://github.com/mwaskom/seaborn-data; of each the columns of
numbers are taken, of 12,000 rows at most, drawn with seed 0. Without it only tables of scikit-learn are used.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from atelier_cli.profile import load
from atelier_store.layout import Store
from atelier_store.ranking import rank
from atelier_store.records import Manifest
from atelier_store.scores import scores
from atelier_store.spec import Task
from atelier_trainer.export import session
from atelier_trial import data
from numpy.typing import NDArray

from benchmarks.children import with_parent

MOST_ROWS = 12_000
LARGE = 3_000
"""Rows from which on a trial needs fewer epochs."""


@dataclass(frozen=True)
class Table:
    """A table to learn from; of a file, `columns` are its numbers and the target is one of its columns."""

    name: str
    task: Task
    file: str | None = None
    target: str | None = None
    columns: tuple[str, ...] = ()


TABLES = (
    Table("wine", "classification"),
    Table("breast_cancer", "classification"),
    Table("diabetes", "regression"),
    Table(
        "mpg", "regression", "mpg.csv", "mpg", ("displacement", "horsepower", "weight", "acceleration", "model_year")
    ),
    Table("taxis", "regression", "taxis.csv", "fare", ("passengers", "distance", "tip", "tolls")),
    Table("diamonds", "regression", "diamonds.csv", "price", ("carat", "depth", "table", "x", "y", "z")),
    Table("cut", "classification", "diamonds.csv", "cut", ("carat", "depth", "table", "price", "x", "y", "z")),
)


def main() -> None:
    """A line for each table: what every model came to on the test rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=Path, help="where the CSV files are")
    parser.add_argument("--only", action="append", help="the name of a table; may be given several times")
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--space", choices=SPACES, default="new")
    options = parser.parse_args()
    print("| table | rows | metric | search | seconds | winner | " + " | ".join(TREES) + " |")
    print("|---|---|---|---|---|---|" + "---|" * len(TREES))
    for table in TABLES:
        wanted = not options.only or table.name in options.only
        if wanted and (table.file is None or options.tables is not None):
            with tempfile.TemporaryDirectory() as folder:
                print(line(table, Path(folder), options), flush=True)


def line(table: Table, folder: Path, options: argparse.Namespace) -> str:
    """Test scores of the search's winner and of the trees, as a row of a table."""
    (folder / "profile.yaml").write_text(yaml.safe_dump(profile(table, folder, options)))
    spec, store = load(folder / "profile.yaml").spec, Store(folder / "store")
    description = data.prepare(spec.trainer.data, store, folder, None, spec.trainer.seed)
    started = time.monotonic()
    command = [sys.executable, "-m", "atelier_cli", "search", "-f", "profile.yaml", "--store", "store"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, preexec_fn=with_parent())
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    seconds = time.monotonic() - started
    best = rank(store, spec).entries[0]
    bundle = store.trial(str(best.key)).bundle
    arrays = data.load(store, description)
    answers = session(bundle.network.read_bytes(), 1).run(None, {"input": np.asarray(arrays.test_x)})[0]
    training, _ = data.split(arrays.train_y, spec.trainer.data.validation_fraction, spec.trainer.seed)
    metric = "test_rmse" if table.task == "regression" else "test_loss"
    value = scores(table.task, answers, arrays.test_y, "test")[metric]
    x, y = arrays.train_x[training], arrays.train_y[training]
    trees = [tree(name, table.task, x, y, arrays.test_x, arrays.test_y)[metric] for name in TREES]
    winner = Manifest.read(bundle.manifest).architecture
    numbers = " | ".join(f"{one:.4g}" for one in trees)
    return f"| {table.name} | {len(x):,} | {metric} | {value:.4g} | {seconds:.0f} | {winner} | {numbers} |"


def profile(table: Table, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """A search of a few minutes."""
    source: dict[str, Any] = {"source": "sklearn", "name": table.name, "task": table.task}
    rows = 0
    if table.file is not None:
        rows = write(table, options.tables / table.file, folder / "table.csv")
        files = {"train": {"path": str(folder / "table.csv")}}
        source = {"source": "csv", "task": table.task, "target": table.target, "files": files}
    epochs, first = (24, 3) if rows > LARGE else (60, 6)
    metric = "val_rmse" if table.task == "regression" else "val_loss"
    return {
        "experiment": {
            "name": "tables",
            "objective": {"type": "minimize", "objectiveMetricName": metric},
            "algorithm": {"algorithmSettings": [{"name": "random_state", "value": 1}]},
            "earlyStopping": {"algorithmSettings": [{"name": "min_epochs", "value": first}]},
            "maxTrialCount": options.trials,
            "parameters": [*COMMON, {"name": "batch", **listed(256 if rows > LARGE else 64)}, *SPACES[options.space]],
        },
        "trainer": {"data": source, "maxEpochs": epochs, "tailEpochs": epochs // 3},
    }


def write(table: Table, file: Path, to: Path) -> int:
    """Write the rows of a file that have all numbers, in a drawn order, as a CSV file; how many they are."""
    names = [*dict.fromkeys([*table.columns, str(table.target)])]
    with file.open(encoding="utf-8") as source:
        rows = [[row[name] for name in names] for row in csv.DictReader(source)]
    whole = [row for row in rows if all(row)]
    chosen = np.random.default_rng(0).permutation(len(whole))[:MOST_ROWS]
    with to.open("w", encoding="utf-8", newline="") as target:
        csv.writer(target).writerows([names, *(whole[index] for index in chosen)])
    return len(chosen)


def listed(*values: object) -> dict[str, Any]:
    """A list of numbers or words as Katib has it."""
    kind = "categorical" if isinstance(values[0], str) else "discrete"
    return {"parameterType": kind, "feasibleSpace": {"list": list(values)}}


def between(low: float, high: float, distribution: str = "logUniform") -> dict[str, Any]:
    """A range of numbers as Katib has it."""
    return {"parameterType": "double", "feasibleSpace": {"min": low, "max": high, "distribution": distribution}}


COMMON: list[dict[str, Any]] = [
    {"name": "stem_width", **listed(64, 128)},
    {"name": "stage1_depth", "parameterType": "int", "feasibleSpace": {"min": 1, "max": 2}},
    {"name": "stage1_width", **listed(64, 128)},
    {"name": "stage1_op", **listed("dense", "residual")},
    {"name": "activation", **listed("relu", "silu")},
    {"name": "dropout", **between(0, 0.3, "uniform")},
    {"name": "lr", **between(0.002, 0.05)},
    {"name": "weight_decay", **between(0.005, 0.5)},
]
SPACES: dict[str, list[dict[str, Any]]] = {
    "old": [],
    "new": [
        {"name": "scaling", **listed("standard", "robust")},
        {"name": "embedding", **listed("none", "piecewise", "pbld")},
        {"name": "embedding_sigma", **between(0.05, 2)},
        {"name": "norm", **listed("batch", "none")},
        {"name": "parametrisation", **listed("standard", "ntk")},
        {"name": "members", **listed(1, 8)},
    ],
}
TREES = {
    "HistGradientBoosting": ("sklearn.ensemble", "HistGradientBoosting{}", {"random_state": 0}),
    "LightGBM": ("lightgbm", "LGBM{}", {"random_state": 0, "verbose": -1}),
    "XGBoost": ("xgboost", "XGB{}", {"random_state": 0}),
}


def tree(
    name: str, task: Task, x: NDArray[Any], y: NDArray[Any], test_x: NDArray[Any], test_y: NDArray[Any]
) -> dict[str, float]:
    """Test scores of boosted trees with their library's defaults; not a number where it is not installed."""
    module, estimator, settings = TREES[name]
    try:
        library = importlib.import_module(module)
    except ModuleNotFoundError:
        return dict.fromkeys(("test_rmse", "test_loss", "test_accuracy"), float("nan"))
    if task == "regression":
        model = getattr(library, estimator.format("Regressor"))(**settings).fit(x, y[:, 0])
        return scores(task, model.predict(test_x).reshape(-1, 1), test_y, "test")
    model = getattr(library, estimator.format("Classifier"))(**settings).fit(x, y)
    return scores(task, model.predict_proba(test_x), test_y, "test")


if __name__ == "__main__":
    main()
