"""`trainer.finish.average`: the average of the best trials beside the best one, on validation and test rows.

    uv run python -m benchmarks.finish

Searches tables of scikit-learn, each with several seeds, which also draw other test rows. Lower is better.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from atelier_cli.search.engine import Engine, Totals
from atelier_cli.search.schedule import Result
from atelier_server.promotion.evaluation import answer
from atelier_store.finish import configuration, members
from atelier_store.layout import Store
from atelier_store.ranking import rank
from atelier_store.records import LeaderboardEntry, Manifest
from atelier_store.scores import scores
from atelier_store.spec import Spec

from benchmarks.tables import COMMON, listed

TABLES = {"wine": "classification", "breast_cancer": "classification", "diabetes": "regression"}
COUNTS = (3, 5)


class Quiet:
    """A watcher that says nothing but of failures."""

    def started(self, name: str, epochs_before: int) -> None:
        """A trial's process runs."""

    def epoch(self, name: str, epoch: int, value: float) -> None:
        """A running trial's objective."""

    def ended(self, name: str, result: Result, _: int, reason: str | None) -> None:
        """A trial's run ended."""
        if result.outcome == "failed":
            raise SystemExit(f"{name}: {reason}")

    def under_way(self, name: str, text: str) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Something that a person should know."""


def main() -> None:
    """Print a line for each table and seed, then the means of each table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", action="append", choices=TABLES)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--trials", type=int, default=12)
    options.add_argument("--epochs", type=int, default=27)
    options.add_argument("--early", choices=("halving", "none"), default="halving")
    given = options.parse_args()
    heads = [f"{what} {part}" for what in ("single", *(f"mean of {k}" for k in COUNTS)) for part in ("val", "test")]
    print(f"| table | seed | {' | '.join(heads)} | kept |\n|{'---|' * (len(heads) + 3)}")
    for name in given.only or TABLES:
        found = []
        for seed in range(given.seeds):
            search = spec(name, seed, given.trials, given.epochs, given.early)
            with tempfile.TemporaryDirectory() as folder:
                values, kept = compared(Store(Path(folder)), search)
            found.append(values)
            print(f"| {name} | {seed} | {' | '.join(f'{v:.4g}' for v in values)} | {kept} |", flush=True)
        mean = np.mean(found, 0)
        print(f"| {name} | mean | {' | '.join(f'{v:.4g}' for v in mean)} | |", flush=True)


def compared(store: Store, search: Spec) -> tuple[list[float], str]:
    """Validation and test scores of the best trial and of each average, and the counts whose average is kept."""
    values: list[float] = []
    kept: list[str] = []
    for count in COUNTS:
        finish = search.trainer.finish.model_copy(update={"average": count})
        search = search.model_copy(update={"trainer": search.trainer.model_copy(update={"finish": finish})})
        engine = Engine(search, store, Quiet(), Totals())
        engine.search(engine.prepare())
        board = rank(store, search)
        if not values:
            values += of(store, search, next(e for e in board.entries if e.trial.startswith("trial-")))
        key = configuration(store, members(store, search, board.entries)).key
        values += of(store, search, next(e for e in board.entries if e.key == key))
        kept += [str(count) for line in board.finish if line.key == key and line.kept]
    return values, ", ".join(kept) or "none"


def of(store: Store, search: Spec, entry: LeaderboardEntry) -> list[float]:
    """The score of the validation rows and of the test rows, by the objective."""
    bundle = store.trial(str(entry.key)).bundle
    manifest = Manifest.read(bundle.manifest)
    tested = answer(store, bundle, manifest, "test")
    assert tested is not None  # these tables have test rows
    metric = search.experiment.objective.objective_metric_name
    test = scores(manifest.task, tested.answers, tested.truth, "test")
    return [manifest.metrics[metric], test[metric.replace("val_", "test_")]]


def spec(name: str, seed: int, trials: int, epochs: int, early: str) -> Spec:
    """A search of a minute."""
    metric = "val_rmse" if TABLES[name] == "regression" else "val_loss"
    experiment: dict[str, Any] = {
        "name": "finish",
        "objective": {"type": "minimize", "objectiveMetricName": metric},
        "algorithm": {"algorithmSettings": [{"name": "random_state", "value": str(seed)}]},
        "earlyStopping": {"algorithmName": early},
        "parallelTrialCount": 1,
        "maxTrialCount": trials,
        "maxFailedTrialCount": 1,
        "parameters": [*map(text, [*COMMON, {"name": "batch", **listed(32)}])],
    }
    source = {"source": "sklearn", "name": name, "task": TABLES[name]}
    return Spec.model_validate(
        {"experiment": experiment, "trainer": {"data": source, "maxEpochs": epochs, "seed": seed}}
    )


def text(parameter: dict[str, Any]) -> dict[str, Any]:
    """A parameter with its numbers as text, as a resolved profile has them."""
    space = {
        key: [str(one) for one in value] if isinstance(value, list) else str(value)
        for key, value in parameter["feasibleSpace"].items()
    }
    return {**parameter, "feasibleSpace": space}


if __name__ == "__main__":
    main()
