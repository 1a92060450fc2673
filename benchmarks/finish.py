"""`trainer.finish.average`: the average of the best trials beside the best one, on validation and test rows.

    uv run python -m benchmarks.finish

Searches tables of scikit-learn, each with several seeds, which also draw other test rows. Averages are made twice: of
trials as halving left them, and after those were trained to their ends. Lower is better.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from atelier_cli.search.engine import Engine, Totals
from atelier_cli.search.schedule import Result
from atelier_server.promotion.evaluation import answer
from atelier_store import machine
from atelier_store.finish import configuration
from atelier_store.layout import Store
from atelier_store.ranking import average_members, rank, trial_records
from atelier_store.records import Card, LeaderboardEntry, Manifest
from atelier_store.scores import scores
from atelier_store.spec import Spec
from atelier_trainer.trial import run_trial
from atelier_trial.request import Request, StopRequest, averages

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
    """Print a line for each table and seed, then what trained members come to beside paused ones."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", action="append", choices=TABLES)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--trials", type=int, default=12)
    options.add_argument("--epochs", type=int, default=27)
    options.add_argument("--early", choices=("halving", "none"), default="halving")
    given = options.parse_args()
    heads = [f"{k}, {how}" for k in COUNTS for how in ("paused", "trained")]
    print(f"| table | seed | best trial | {' | '.join(heads)} | epochs |\n|{'---|' * (len(heads) + 4)}")
    ratios: dict[str, list[float]] = {}
    for name in given.only or TABLES:
        for seed in range(given.seeds):
            search = spec(name, seed, given.trials, given.epochs, given.early)
            with tempfile.TemporaryDirectory() as folder:
                best, found, epochs = compared(Store(Path(folder)), search)
            cells = [str(found[k, how]) for k in COUNTS for how in (False, True)]
            print(f"| {name} | {seed} | {best} | {' | '.join(cells)} | {', '.join(map(str, epochs))} |", flush=True)
            for count in COUNTS:
                paused, trained = found[count, False], found[count, True]
                of_both = f"with {count}, trained by paused"
                ratios.setdefault(f"average {of_both}, validation", []).append(trained.validation / paused.validation)
                ratios.setdefault(f"average {of_both}, test", []).append(trained.test / paused.test)
                ratios.setdefault(f"promoted {of_both}, test", []).append(trained.promoted / paused.promoted)
                ratios.setdefault(f"promoted with {count}, paused by best, test", []).append(
                    paused.promoted / best.test
                )
    for what, values in ratios.items():
        better, worse = sum(v < 1 for v in values), sum(v > 1 for v in values)
        print(f"{what}: median {np.median(values):.3f}, better {better}, worse {worse} of {len(values)}")


@dataclass(frozen=True)
class Measured:
    """Scores of the validation and test rows; the test score of what is promoted, and whether that is an average."""

    validation: float
    test: float
    promoted: float
    is_kept: bool = False

    def __str__(self) -> str:
        return f"{self.validation:.4g}, {self.test:.4g}{' *' if self.is_kept else ''}"


def compared(store: Store, search: Spec) -> tuple[Measured, dict[tuple[int, bool], Measured], list[int]]:
    """The best trial; the averages by count and whether their members were trained on; the epochs until each of these.

    Of the epochs the first are those of the search, and the others those with the members of each count trained on.
    """
    engine = Engine(search, store, Quiet(), Totals())
    engine.search(engine.prepare())
    epochs = [engine.totals.epochs_trained]
    validation, test = of(store, search, best_trial(store, search))
    found: dict[tuple[int, bool], Measured] = {}
    for is_trained in (False, True):
        for count in COUNTS:
            finish = search.trainer.finish.model_copy(update={"average": count})
            averaging = search.model_copy(update={"trainer": search.trainer.model_copy(update={"finish": finish})})
            request = Request(averaging, store, "", {}, threads=machine.cores())
            if is_trained:
                epochs.append(epochs[-1] + train_members(request))
            for average in averages(request):
                run_trial(average, StopRequest())
            found[count, is_trained] = measured(store, averaging)
    return Measured(validation, test, test), found, epochs


def train_members(request: Request) -> int:
    """Train what would be averaged to its end, and what is among the best then; the epochs that this took."""
    records = {record.key: record for record in trial_records(request.store.experiment(request.spec.experiment_name))}
    most, epochs = request.spec.trainer.max_epochs, 0
    while paused := [
        (records[key], card.epochs)
        for key in average_members(request.store, request.spec)
        if (card := Card.read(request.store.trial(key).card)).epochs < most
    ]:
        for record, before in paused:
            to_the_end = replace(request, trial=record.trial, params=record.params, bars={})
            with contextlib.redirect_stdout(sys.stderr):  # it prints the metrics of every epoch
                run_trial(to_the_end, StopRequest())
            epochs += most - before
    return epochs


def measured(store: Store, search: Spec) -> Measured:
    """The average of the best trials as they are now, and what of both would be promoted."""
    board = rank(store, search)
    key = configuration(store, average_members(store, search)).key
    validation, test = of(store, search, next(e for e in board.entries if e.key == key))
    is_kept = any(line.kept for line in board.finish if line.key == key)
    return Measured(validation, test, test if is_kept else of(store, search, best_trial(store, search))[1], is_kept)


def best_trial(store: Store, search: Spec) -> LeaderboardEntry:
    """The best that is no average."""
    return next(entry for entry in rank(store, search).entries if entry.trial.startswith("trial-"))


def of(store: Store, search: Spec, entry: LeaderboardEntry) -> tuple[float, float]:
    """The score of the validation rows and of the test rows, by the objective."""
    bundle = store.trial(str(entry.key)).bundle
    manifest = Manifest.read(bundle.manifest)
    tested = answer(store, bundle, manifest, "test")
    assert tested is not None  # these tables have test rows
    metric = search.experiment.objective.objective_metric_name
    test = scores(manifest.task, tested.answers, tested.truth, "test")
    return manifest.metrics[metric], test[metric.replace("val_", "test_")]


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
