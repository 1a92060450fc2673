"""`trainer.keepWeights`: the last epoch's weights beside the best one's, on validation and test rows.

    uv run python -m benchmarks.kept_weights

Trains random networks for rows on tables of scikit-learn, each table with several seeds, which also draw other rows.
Every network is trained once and looked at after each epoch, so that both choices are of the same training. The best
epoch is chosen on the validation rows, and so is the winner of so many networks: only test rows tell which is better.
Lower is better.
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from atelier_searcher import sampling
from atelier_searcher.space import Space
from atelier_store import keeping
from atelier_store.layout import Store
from atelier_store.scores import scores
from atelier_store.spec import Spec
from atelier_trainer import environment
from atelier_trainer.setup import set_up
from atelier_trial import data
from atelier_trial.request import Request, Trial, configuration
from numpy.typing import NDArray

from benchmarks.finish import TABLES, spec

CHOICES = ("last", "best")
Curve = NDArray[np.float64]
"""The objective on validation and on test rows (2, epochs)."""


def main() -> None:
    """Print a line for each table and seed, then one for each table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", action="append", choices=TABLES)
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--trials", type=int, default=12)
    options.add_argument("--epochs", type=int, default=27)
    given = options.parse_args()
    device = environment.configure(threads=1)
    print(
        "| table | seed | winner: test, last | test, best | a network: test, last | test, best | best epoch earlier |"
    )
    print(f"|{'---|' * 7}", flush=True)
    for name in given.only or TABLES:
        found = []
        for seed in range(given.seeds):
            search = spec(name, seed, given.trials, given.epochs, "none")
            with tempfile.TemporaryDirectory() as folder:
                curves = trained(Store(Path(folder)), search, device)
            found.append(compared(search, curves))
            print(f"| {name} | {seed} | {' | '.join(f'{value:.4g}' for value in found[-1])} |", flush=True)
        table = np.array(found)
        won = int((table[:, 1] < table[:, 0]).sum()), int((table[:, 1] > table[:, 0]).sum())
        means = " | ".join(f"{value:.4g}" for value in table.mean(0))
        print(f"| {name} | mean | {means} | winners: best better {won[0]}, worse {won[1]} times", flush=True)


def trained(store: Store, search: Spec, device: torch.device) -> list[Curve]:
    """The curves of as many random networks as the search has trials."""
    trainer = search.trainer
    description = data.prepare(trainer.data, store, Path.cwd(), None, trainer.seed, lambda _: None)
    arrays = data.load(store, description)
    test_x, test_y = torch.from_numpy(np.array(arrays.test_x)), np.array(arrays.test_y)
    space = Space(search.experiment.parameters)
    found = []
    for point in islice(sampling.draws(space, trainer.seed, 0), search.experiment.max_trial_count):
        request = Request(search, store, "t", space.params(point))
        setup = set_up(Trial(request, description, configuration(request, description)), device)
        metric = search.experiment.objective.objective_metric_name
        curve = []
        for _ in range(trainer.max_epochs):
            setup.training.train_epoch(lambda: False)
            test = scores(description.task, setup.training.answers(test_x), test_y, "test")
            curve.append((setup.evaluate()[metric], test[metric.replace("val_", "test_")]))
        found.append(np.array(curve).T)
    return found


def compared(search: Spec, curves: list[Curve]) -> list[float]:
    """The winner's test score by each choice, the mean of all networks' by each, and the share that is kept earlier."""
    winners, means, earlier = [], [], 0.0
    for choice in CHOICES:
        trainer = search.trainer.model_copy(update={"keep_weights": choice})
        chosen = search.model_copy(update={"trainer": trainer})
        epochs = [keeping.epochs(chosen, list(validation))[-1] for validation, _ in curves]
        values = np.array([curve[:, epoch - 1] for curve, epoch in zip(curves, epochs, strict=True)])
        winners.append(float(values[values[:, 0].argmin(), 1]))
        means.append(float(values[:, 1].mean()))
        earlier = float(np.mean([epoch < search.trainer.max_epochs for epoch in epochs]))
    return [*winners, *means, earlier]


if __name__ == "__main__":
    main()
