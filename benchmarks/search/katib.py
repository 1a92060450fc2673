"""Katib's own tpe (its suggestion service for hyperopt, run as it is, without a cluster) on the recorded tables.

    git clone --depth 1 https://github.com/kubeflow/katib ../katib
    PYTHONPATH=../katib uv run --with hyperopt==0.2.5 --with setuptools==80.9.0 python -m benchmarks.search.katib \\
        --cells nats_bench.csv --stages nas-bench-macro_cifar10.json --seeds 40

The service's class is asked as its gRPC server asks it: with the trials that have succeeded, for as many new ones as
workers are idle. What it suggests twice is trained twice, as in Katib. All networks of a table have to be recorded: one
that is not could not be refused.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.search import public, tables
from benchmarks.search.__main__ import MOST, SHARES, Search, count
from benchmarks.search.tables import Table


def hyperopt(table: Table, seed: int, workers: int, services: SimpleNamespace) -> Iterator[str]:
    """Trials of Katib's tpe; a suggestion is made from all but those that run. services has Katib's modules."""
    listed = services.HyperParameter
    space = services.HyperParameterSearchSpace()
    space.goal = services.MIN_GOAL
    space.params = [
        getattr(listed, p["parameterType"])(p["name"], p["feasibleSpace"]["list"])
        for p in tables.parameters(table.name)
    ]
    service = services.BaseHyperoptService("tpe", {"random_state": seed}, space)
    trials: list[Any] = []
    running: list[tuple[str, Any]] = []
    for number in range(MOST):
        if len(running) == workers:
            key, trial = running.pop(0)
            trial.target_metric = services.Metric("val_loss", table.values(key)[-1])
            trials.append(trial)
        if not running and not trials:
            asked = service.getSuggestions([], workers)
        elif number >= workers:
            asked = service.getSuggestions(trials, 1)
        assignments = asked.pop(0)
        params = {assignment.name: assignment.value for assignment in assignments}
        key = table.networks.key(params)
        running.append((key, services.Trial(f"trial-{number}", assignments, None, "val_loss", [], {})))
        yield key


def _services() -> SimpleNamespace:
    """What is needed of Katib, which has to be on the path."""
    found: dict[str, Any] = {}
    for module in ("hyperopt.base_service", "internal.constant", "internal.search_space", "internal.trial"):
        found |= vars(import_module(f"pkg.suggestion.v1beta1.{module}"))
    logging.disable(logging.INFO)
    return SimpleNamespace(**found)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each table and number of workers."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--tables", nargs="*", choices=list(tables.SPACES), default=list(tables.SPACES))
    parser.add_argument("--cells", type=Path)
    parser.add_argument("--stages", type=Path)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 8])
    options = parser.parse_args(arguments)
    search: Search = partial(hyperopt, services=_services())
    found = [Table.read(name) for name in options.tables]
    found += [public.cells(options.cells)] if options.cells else []
    found += [public.stages(options.stages)] if options.stages else []
    for table in found:
        for workers in options.workers:
            counts = count(search, table, options.seeds, workers)
            best, good = (counts.words(share) for share in SHARES)
            print(f"| {table.name} | Katib's tpe | {workers} | {best} | {good} | {counts.seconds:.0f} s |", flush=True)


if __name__ == "__main__":
    main()
