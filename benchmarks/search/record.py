"""Score every network of a table untrained, and train it by several seeds; keep all of it in the table.

    uv run python -m benchmarks.search.record images

First all networks are trained by the first seed, which is what a search sees, and then by the others. Networks come in
random order, and what the table has is not trained again: it may be stopped at any time, and go on.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from atelier_store.layout import Store
from atelier_trainer import environment
from atelier_trainer.appraisal import Appraiser
from atelier_trainer.setup import set_up
from atelier_trial import data
from atelier_trial.request import Request, Trial, configuration

from benchmarks.search import tables
from benchmarks.search.tables import Table

EVERY = 20
"""Networks after which the table is written and a line printed."""


class Recorder:
    """Trains and scores the networks of a table."""

    def __init__(self, table: Table, store: Store, device: torch.device) -> None:
        self._table, self._store, self._device = table, store, device
        self._spec = spec = tables.spec(table.name)
        self._description = data.prepare(spec.trainer.data, store, Path.cwd(), None, spec.trainer.seed, print)
        self._appraiser = Appraiser(spec, store, self._description)

    def record(self, place: int) -> None:
        """Put a network's scores into the table, and its curves by the first seed."""
        for proxy, score in self._scores(self._params(place)).items():
            self._table.columns[proxy][place] = score
        for epoch, scores in enumerate(self._trained(place, 0)):
            for metric in tables.METRICS:
                self._table.columns[metric][place, epoch] = scores[metric]

    def record_again(self, place: int) -> None:
        """Put what a network comes to by the other seeds into the table."""
        for seed in range(1, tables.SEEDS):
            *_, last = self._trained(place, seed)
            self._table.columns["again"][place, seed - 1] = last["val_loss"]

    def _trained(self, place: int, seed: int) -> Iterator[dict[str, float]]:
        """Train a network; its scores after each epoch."""
        trainer = self._spec.trainer.model_copy(update={"seed": seed})
        spec = self._spec.model_copy(update={"trainer": trainer})
        return scores_by_epoch(
            Request(spec, self._store, "table", self._params(place)), self._description, self._device
        )

    def _params(self, place: int) -> dict[str, str]:
        return tables.FIXED[self._table.name] | self._table.points[place]

    def _scores(self, params: dict[str, str]) -> dict[str, float]:
        candidate = self._appraiser.candidate(params, tables.PROXIES)
        assert candidate is not None and not candidate.unscored, candidate
        return {str(proxy): score for proxy, score in candidate.scores.items()}


def scores_by_epoch(request: Request, description: data.Prepared, device: torch.device) -> Iterator[dict[str, float]]:
    """Train a network; its scores after each epoch of a table."""
    setup = set_up(Trial(request, description, configuration(request, description)), device)
    for _ in range(tables.EPOCHS):
        setup.training.train_epoch(lambda: False)
        yield setup.evaluate()


def main() -> None:
    """Record a table, or go on with it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("table", choices=list(tables.SPACES))
    table = Table.read(parser.parse_args().table)
    order = np.random.default_rng(0).permutation(len(table.points)).tolist()
    started, cpu = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(table, Store(Path(folder)), environment.configure(1))
        for name, record in (("val_loss", recorder.record), ("again", recorder.record_again)):
            missing = [place for place in order if np.isnan(table.columns[name][place, -1])]
            try:
                for number, place in enumerate(missing, 1):
                    record(place)
                    if number % EVERY == 0 or number == len(missing):
                        table.write()
                        seconds = f"{time.monotonic() - started:.0f} s, {time.process_time() - cpu:.0f} s of CPU"
                        print(f"{name}: {number} of {len(missing)} networks: {seconds}", flush=True)
            finally:
                table.write()


if __name__ == "__main__":
    main()
