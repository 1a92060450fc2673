"""How busy are several workers by each rule of what a decision sees, and how many epochs does a search take?

    uv run python -m benchmarks.search.workers

Nothing is trained: trials have made-up curves and times of an epoch, which differ between networks (deviation of the
logarithm 0.4) and between runs (0.1). The busy share is of the whole search, with its end, where nothing is left to do.
"""

from __future__ import annotations

import argparse
import heapq
import math
from collections.abc import Sequence
from itertools import count

import numpy as np
from atelier_cli.search import schedule
from atelier_cli.search.schedule import Job, Result, Schedule
from atelier_searcher.decision import Networks
from atelier_store import halving
from atelier_store.spec import Decisions, Spec

BETWEEN_NETWORKS, BETWEEN_RUNS = 0.4, 0.1


def spec(early: str, trials: int, epochs: int, decisions: Decisions, seed: int) -> Spec:
    """A search at random of one number."""
    experiment = {
        "name": "workers",
        "algorithm": {
            "algorithmName": "random",
            "algorithmSettings": [{"name": "random_state", "value": str(seed)}],
        },
        "earlyStopping": {"algorithmName": early},
        "parameters": [{"name": "x", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "1000000"}}],
        "maxTrialCount": trials,
        "maxFailedTrialCount": 0,
    }
    trainer = {"data": {"source": "sklearn", "name": "digits"}, "maxEpochs": epochs}
    return Spec.model_validate({"experiment": experiment, "trainer": trainer, "decisions": decisions})


def draws(seed: int, job: Job, *which: int) -> np.random.Generator:
    """Numbers of a network, or of a run of it."""
    return np.random.default_rng([seed, int(job.key), *which])


def outcome(of: Spec, job: Job, seed: int) -> tuple[Result, float]:
    """How a job ends, and the seconds that an epoch takes."""
    last, network = of.trainer.max_epochs, draws(seed, job)
    cost, quality, start = math.exp(BETWEEN_NETWORKS * network.normal()), network.normal(), 0.3 * network.normal()
    values = [quality + start * (1 - epoch / last) for epoch in range(1, last + 1)]
    end = halving.end_of_run(values, job.bars, last, of.experiment.objective)
    assert end is not None
    seconds = cost * math.exp(BETWEEN_RUNS * draws(seed, job, job.resumed_at).normal())
    return Result(end[1], tuple(values[: end[0]])), seconds


def search(of: Spec, workers: int, seed: int) -> tuple[float, int]:
    """The busy share of the workers, and the epochs trained."""
    decisions = Schedule(of, Networks(lambda params: params["x"]), workers)
    now, busy, epochs, idle, order = 0.0, 0.0, 0, workers, count()
    queued: list[Job] = []
    events: list[tuple[float, int, Job, int | Result]] = []
    while True:
        while decisions.ready and not decisions.is_done:
            if (job := decisions.decide()) is not None:
                queued.append(job)
        while idle and queued:
            job = queued.pop(0)
            result, seconds = outcome(of, job, seed)
            trained = len(result.values) - job.resumed_at
            idle, busy, epochs = idle - 1, busy + seconds * trained, epochs + trained
            for epoch in range(1, trained):
                heapq.heappush(events, (now + seconds * epoch, next(order), job, job.resumed_at + epoch))
            heapq.heappush(events, (now + seconds * trained, next(order), job, result))
        if not events:
            return busy / (workers * now), epochs
        now, _, job, what = heapq.heappop(events)
        if isinstance(what, Result):
            decisions.report(job, what)
            idle += 1
        else:
            decisions.progress(job, what)


RULES: dict[str, tuple[Decisions, float]] = {
    "all but the last 2p jobs (0.1)": ("by-jobs", 0),
    "by the clock, none ahead": ("by-epochs", 0),
    "by the clock, 0.25 ahead": ("by-epochs", 0.25),
    "by the clock, 0.5 ahead (the default)": ("by-epochs", 0.5),
    "by the clock, 1 ahead": ("by-epochs", 1),
    "by the clock, 5 ahead: about what is possible": ("by-epochs", 5),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each early stopping, number of workers and rule."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 8])
    options = parser.parse_args(arguments)
    for early, last in (("none", 9), ("halving", 27)):
        for workers in options.workers:
            for rule, (decisions, schedule.AHEAD) in RULES.items():
                specs = [spec(early, options.trials, last, decisions, seed) for seed in range(options.seeds)]
                busy, epochs = np.mean([search(of, workers, seed) for seed, of in enumerate(specs)], axis=0)
                print(f"| {early} | {workers} | {rule} | {busy:.0%} | {epochs:.0f} |", flush=True)


if __name__ == "__main__":
    main()
