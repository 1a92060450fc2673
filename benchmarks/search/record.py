"""Train every network of a table once, score it untrained, and keep both in the table.

    uv run python -m benchmarks.search.record images

Networks come in random order, and what the table has is not trained again: it may be stopped at any time, and go on.
"""

from __future__ import annotations

import argparse
import tempfile
import time
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
        """Put a network's curves and scores into the table."""
        params = tables.FIXED[self._table.name] | self._table.points[place]
        for proxy, score in self._scores(params).items():
            self._table.columns[proxy][place] = score
        request = Request(self._spec, self._store, "table", params)
        trial = Trial(request, self._description, configuration(request, self._description))
        setup = set_up(trial, self._device)
        for epoch in range(tables.EPOCHS):
            setup.training.train_epoch(lambda: False)
            scores = setup.training.evaluate(setup.validation)
            for metric in tables.METRICS:
                self._table.columns[metric][place, epoch] = scores[metric]

    def _scores(self, params: dict[str, str]) -> dict[str, float]:
        candidate = self._appraiser.candidate(params, tables.PROXIES)
        assert candidate is not None and not candidate.unscored, candidate
        return {str(proxy): score for proxy, score in candidate.scores.items()}


def main() -> None:
    """Record a table, or go on with it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("table", choices=list(tables.SPACES))
    table = Table.read(parser.parse_args().table)
    order = np.random.default_rng(0).permutation(len(table.points))
    missing = order[~np.isin(order, table.recorded)].tolist()
    started, cpu = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(table, Store(Path(folder)), environment.configure(1))
        try:
            for number, place in enumerate(missing, 1):
                recorder.record(place)
                if number % EVERY == 0:
                    table.write()
                    seconds = f"{time.monotonic() - started:.0f} s, {time.process_time() - cpu:.0f} s of CPU"
                    print(f"{number} of {len(missing)} networks: {seconds}", flush=True)
        finally:
            table.write()


if __name__ == "__main__":
    main()
