"""Made-up spaces whose best networks are known, searched by the Schedule of one machine, without training."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from atelier_cli.search.schedule import Job, Result, Schedule
from atelier_searcher.decision import Networks
from atelier_store import halving
from atelier_store.spec import Spec

Params = dict[str, str]
OPERATIONS = "abcde"
CELLS: list[dict[str, Any]] = [
    {"name": f"op{n}", "parameterType": "categorical", "feasibleSpace": {"list": list(OPERATIONS)}} for n in range(6)
]
MIXED: list[dict[str, Any]] = [
    {
        "name": "lr",
        "parameterType": "double",
        "feasibleSpace": {"min": "0.0001", "max": "0.1", "distribution": "logUniform"},
    },
    {"name": "width", "parameterType": "int", "feasibleSpace": {"min": "8", "max": "64"}},
    {"name": "depth", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "4"}},
    {"name": "dropout", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "0.6"}},
]
SPACES = {"cells": CELLS, "mixed": MIXED}


@dataclass(frozen=True)
class Task:
    """A space with the accuracy that a network comes to, and what it costs."""

    parameters: list[dict[str, Any]]
    accuracy: Callable[[Params], float]
    cost: Callable[[Params], float]


def task(space: str, seed: int) -> Task:
    """One of many tasks of a space, drawn from the seed."""
    draw = np.random.default_rng(seed)
    return _cells(draw) if space == "cells" else _mixed(draw)


def _cells(draw: np.random.Generator) -> Task:
    """Six places for five operations, with effects of each and of each pair; what is better costs more on the whole."""
    alone, pairs = draw.normal(size=(6, 5)), draw.normal(size=(6, 6, 5, 5)) / 2
    costs = np.exp(alone / 2 + draw.normal(size=(6, 5)) / 2)

    def chosen(params: Params) -> list[int]:
        return [OPERATIONS.index(params[f"op{n}"]) for n in range(6)]

    def accuracy(params: Params) -> float:
        ops = chosen(params)
        score = sum(alone[n, ops[n]] + sum(pairs[n, m, ops[n], ops[m]] for m in range(n)) for n in range(6))
        return float(0.94 - 0.12 / (1 + math.exp(score)))

    return Task(CELLS, accuracy, lambda params: float(sum(costs[n, op] for n, op in enumerate(chosen(params)))))


def _mixed(draw: np.random.Generator) -> Task:
    """A learning rate, dropout, width and depth: each with a best value, and the last two with a price."""
    rate, dropout, wide = draw.uniform(-6, -3), draw.uniform(0, 0.4), draw.uniform(0.5, 1)

    def accuracy(params: Params) -> float:
        lost = 0.005 * (math.log(float(params["lr"])) - rate) ** 2 + 0.05 * (float(params["dropout"]) - dropout) ** 2
        lost += 0.03 * wide * (1 - int(params["width"]) / 64) ** 2 + 0.0025 * (4 - int(params["depth"])) ** 2
        return 0.95 - lost

    return Task(MIXED, accuracy, lambda params: float(int(params["width"]) ** 2 * int(params["depth"])))


def spec(of: Task, seed: int, trials: int, early: str, **experiment: Any) -> Spec:
    """A search of 27 epochs in the space of a task."""
    asked = {
        "name": "made-up",
        "parameters": of.parameters,
        "maxTrialCount": trials,
        "maxFailedTrialCount": 1,
        "earlyStopping": {"algorithmName": early},
        **experiment,
    }
    trainer = {"data": {"source": "sklearn", "name": "digits"}, "maxEpochs": 27, "seed": seed}
    return Spec.model_validate({"experiment": asked, "trainer": trainer})


def searched(of: Task, asked: Spec, noise: float = 0.002) -> Iterator[tuple[Job, Result]]:
    """Every job of a search with its result, one at a time; accuracies have noise, and grow with the epochs."""
    draw, curves = np.random.default_rng(asked.trainer.seed), dict[str, tuple[float, ...]]()
    schedule = Schedule(asked, Networks(key_of), parallel=1)
    while not schedule.is_done:
        job = schedule.decide()
        if job is None:
            continue
        params = job.suggestion.params
        if job.key not in curves:
            slow = draw.uniform(0.1, 0.2)
            end, noises = of.accuracy(params), draw.normal(size=27) * noise
            curves[job.key] = tuple(float(end - slow * (1 / (n + 1) - 1 / 27) + noises[n]) for n in range(27))
        stop = halving.end_of_run(curves[job.key], job.bars, 27, asked.experiment.objective)
        assert stop is not None  # the curve is whole
        others = (of.cost(params),) if asked.experiment.objectives else ()
        result = Result(stop[1], curves[job.key][: stop[0]], others=others)
        schedule.report(job, result)
        yield job, result


def key_of(params: Params) -> str:
    """Equal params are one network."""
    return hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()[:16]
