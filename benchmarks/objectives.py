"""Objectives beside the objective: the hypervolume of accuracy and cost, beside a search for accuracy alone."""

from __future__ import annotations

import argparse

import numpy as np
from atelier_store.objectives import front

from benchmarks.made_up_search import SPACES, Params, Task, searched, spec, task

WORST = 0.80
"""The accuracy from which the hypervolume counts."""


def main() -> None:
    """Print a line for each space and rule of early stopping."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, default=20)
    options.add_argument("--trials", type=int, default=100)
    given = options.parse_args()
    for space in SPACES:
        for early in ("none", "halving"):
            several, one = (
                np.array([found(space, seed, given.trials, early, beside) for seed in range(given.seeds)])
                for beside in ([{"metric": "params"}], [])
            )
            ratio = several[:, 0] / one[:, 0]
            print(
                f"{space}, {early}: hypervolume {several[:, 0].mean():.3f} beside {one[:, 0].mean():.3f}, "
                f"ratio {ratio.mean():.2f} ± {ratio.std() / len(ratio) ** 0.5:.2f}; "
                f"epochs {several[:, 1].mean():.0f} beside {one[:, 1].mean():.0f}; "
                f"best accuracy {several[:, 2].mean():.4f} beside {one[:, 2].mean():.4f}"
            )


def found(space: str, seed: int, trials: int, early: str, beside: list[dict[str, str]]) -> tuple[float, int, float]:
    """The hypervolume of what was trained as far as it was, the epochs that it took, and the best accuracy of these."""
    of, epochs, at = task(space, seed), 0, dict[str, tuple[float, Params]]()
    for job, result in searched(of, spec(of, seed, trials, early, objectives=beside)):
        epochs += len(result.values) - job.resumed_at
        at[job.key] = (result.values[-1], job.suggestion.params)
    return hypervolume(of, at), epochs, max(of.accuracy(params) for _, params in at.values())


def hypervolume(of: Task, at: dict[str, tuple[float, Params]]) -> float:
    """The share of all accuracies above WORST and logarithms of cost that a network is at least as good as."""
    draw = np.random.default_rng(0)
    costs = [of.cost(_drawn(of, draw)) for _ in range(2000)]
    low, high = np.log(min(costs)), np.log(max(costs))
    points = {
        key: (-max(value, WORST), float(np.clip((np.log(of.cost(params)) - low) / (high - low), 0, 1)))
        for key, (value, params) in at.items()
    }
    best = sorted((points[key] for key in front(points)), key=lambda point: point[1])
    ends = [*(cost for _, cost in best[1:]), 1.0]
    return sum((-worse - WORST) / (1 - WORST) * (end - cost) for (worse, cost), end in zip(best, ends, strict=True))


def _drawn(of: Task, draw: np.random.Generator) -> Params:
    """Random params of a space."""
    params = {}
    for one in of.parameters:
        given = one["feasibleSpace"]
        if "list" in given:
            params[one["name"]] = str(draw.choice(given["list"]))
        elif one["parameterType"] == "int":
            params[one["name"]] = str(draw.integers(int(given["min"]), int(given["max"]) + 1))
        else:
            params[one["name"]] = str(draw.uniform(float(given["min"]), float(given["max"])))
    return params


if __name__ == "__main__":
    main()
