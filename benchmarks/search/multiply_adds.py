"""How many multiply-adds does the search of a profile train, with and without a shortlist?

    uv run python -m benchmarks.search.multiply_adds values/fashion-mnist.yaml values/fashion-mnist-small.yaml

Nothing is trained, and the profile's data are not read: networks are built for their cost alone, for pictures of
28 x 28 pixels and ten classes. Results are made up: better with the logarithm of multiply-adds (rank correlation about
0.5) and from epoch to epoch. Printed are the epochs of all trials and of the tail, and the sum of multiply-adds times
epochs, of one example, in thousand millions, with the 95 % interval.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from itertools import islice
from math import log
from pathlib import Path
from typing import Any

import numpy as np
from atelier_cli.profile.facts import OF_BUILT_IN
from atelier_cli.profile.loading import load
from atelier_cli.search.schedule import Result, Schedule
from atelier_cli.search.shortlisting import scored_parameters
from atelier_searcher import sampling
from atelier_searcher.decision import NO_SHORTLIST, Networks
from atelier_searcher.shortlist import Shortlist
from atelier_searcher.space import Space
from atelier_store import halving
from atelier_store.layout import Store
from atelier_store.spec import AlgorithmName, Spec, sha256_of
from atelier_trainer.appraisal import Appraiser
from atelier_trial import data

SIDE, CLASSES, EXAMPLES = 28, 10, 100
BY_COSTS, OTHERWISE, LATE = 0.5, 0.8, 0.3
"""Deviations of results: by the multiply-adds of a network, by the network itself, by what the first epoch hides."""

SEARCHES: dict[str, tuple[AlgorithmName, bool]] = {
    "atelier, shortlist: auto": ("atelier", True),
    "atelier, shortlist: none": ("atelier", False),
    "multivariate-tpe": ("multivariate-tpe", False),
}
"""By name: the algorithm, and whether it has the default's shortlist."""


class Pictures:
    """Networks of a profile's space, by what they cost on made-up pictures."""

    def __init__(self, of: Spec, folder: Path) -> None:
        pixels, labels = np.zeros((EXAMPLES, SIDE, SIDE), np.uint8), np.arange(EXAMPLES) % CLASSES
        np.savez(folder / "pictures.npz", x=pixels, y=labels)
        source = {"source": "npz", "files": {"train": {"path": str(folder / "pictures.npz")}}}
        made_up = type(of.trainer.data).model_validate(source)
        self.spec = of.model_copy(update={"trainer": of.trainer.model_copy(update={"data": made_up})})
        store = Store(folder / "store")
        description = data.prepare(made_up, store, folder, None, 0, lambda _: None)
        self._scored = scored_parameters(self.spec, description)
        self._appraiser = Appraiser(self.spec, store, description)
        self.networks = Networks(key=sha256_of, refusal=self._appraiser.refusal)

    def macs(self, params: dict[str, str]) -> int:
        """Multiply-adds of one example."""
        cost = self._appraiser.cost(params)
        assert cost is not None
        return cost.macs

    def shortlist(self, seed: int) -> Shortlist:
        """The default's shortlist."""
        space, options = Space(self._scored), OF_BUILT_IN
        drawn = (space.params(point) for point in sampling.draws(space, seed, 0))
        scored = (self._appraiser.candidate(params, tuple(options["proxies"])) for params in drawn)
        within = (candidate for candidate in scored if candidate is not None)
        return Shortlist(tuple(islice(within, options["candidates"])))


def search(pictures: Pictures, of: Spec, shortlist: Shortlist, seed: int) -> tuple[int, float]:
    """The epochs of a search and of its tail, and the sum of their multiply-adds in thousand millions."""
    last, objective = of.trainer.max_epochs, of.experiment.objective
    schedule, epochs, work = Schedule(of, pictures.networks, 1, shortlist=shortlist), 0, 0.0
    macs: dict[str, int] = {}
    values: dict[str, list[float]] = {}
    while not schedule.is_done:
        if (job := schedule.decide()) is None:
            continue
        if job.key not in macs:
            macs[job.key] = pictures.macs(job.suggestion.params)
            values[job.key] = _curve(job.key, seed, macs[job.key], last)
        end = halving.end_of_run(values[job.key], job.bars, last, objective)
        assert end is not None
        schedule.report(job, Result(end[1], tuple(values[job.key][: end[0]])))
        epochs, work = epochs + end[0] - job.resumed_at, work + (end[0] - job.resumed_at) * macs[job.key]
    best, tail = max(macs, key=lambda key: values[key][-1]), of.trainer.tail_epochs
    return epochs + tail, (work + tail * macs[best]) / 1e9


def _curve(key: str, seed: int, macs: int, epochs: int) -> list[float]:
    """Made-up results after each epoch; more is better."""
    otherwise, late = np.random.default_rng([seed, int(key[:15], 16)]).normal(size=2)
    final = BY_COSTS * log(macs / 3e6) / 0.5 + OTHERWISE * otherwise
    return [final + (LATE * late - 2) * (1 - epoch / epochs) for epoch in range(1, epochs + 1)]


def of_seed(of: Spec, algorithm: AlgorithmName, seed: int) -> Spec:
    """The search with another algorithm and seed."""
    chosen: dict[str, Any] = {
        "algorithmName": algorithm,
        "algorithmSettings": [{"name": "random_state", "value": str(seed)}],
    }
    experiment = of.experiment
    of_algorithm = type(experiment.algorithm).model_validate(chosen)
    return of.model_copy(update={"experiment": experiment.model_copy(update={"algorithm": of_algorithm})})


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each profile and search."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("profiles", nargs="+", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, help="in place of the profile's maxTrialCount")
    parser.add_argument("--only", nargs="+", choices=list(SEARCHES), default=list(SEARCHES))
    options = parser.parse_args(arguments)
    overrides = [f"experiment.maxTrialCount={options.trials}"] if options.trials else []
    for path in options.profiles:
        with tempfile.TemporaryDirectory() as folder:
            pictures = Pictures(load(path, overrides).spec, Path(folder))
            for name in options.only:
                algorithm, has_shortlist = SEARCHES[name]
                found = np.array(
                    [
                        search(
                            pictures,
                            of_seed(pictures.spec, algorithm, seed),
                            pictures.shortlist(seed) if has_shortlist else NO_SHORTLIST,
                            seed,
                        )
                        for seed in range(options.seeds)
                    ]
                )
                half = 1.96 * found.std(axis=0, ddof=1) / np.sqrt(options.seeds)
                epochs, work = (f"{mean:.4g} ± {of:.2g}" for mean, of in zip(found.mean(axis=0), half, strict=True))
                print(f"| {path.stem} | {name} | {epochs} | {work} |", flush=True)


if __name__ == "__main__":
    main()
