"""`stopWhen.expectedGainBelow`: how much of a search it saves, and how much better the best would have become."""

from __future__ import annotations

import argparse
import itertools

import numpy as np

from benchmarks.made_up_search import SPACES, searched, spec, task


def main() -> None:
    """Print a line for each space, rule of early stopping and bound."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, default=20)
    options.add_argument("--trials", type=int, default=100)
    options.add_argument("--bounds", type=float, nargs="*", default=[0.02, 0.01, 0.005])
    given = options.parse_args()
    for space, early in itertools.product(SPACES, ("none", "halving")):
        whole = np.array([ended(space, seed, given.trials, early, None) for seed in range(given.seeds)])
        for bound in given.bounds:
            short = np.array([ended(space, seed, given.trials, early, bound) for seed in range(given.seeds)])
            lost = whole[:, 2] - short[:, 2]
            print(
                f"{space}, {early}, {bound:g}: {short[:, 0].mean():.0f} of {given.trials} trials, "
                f"{short[:, 1].sum() / whole[:, 1].sum():.0%} of the epochs, lost {lost.mean():.4f} on average, "
                f"{lost.max():.4f} at most, within the bound {(lost <= bound).mean():.0%}"
            )


def ended(space: str, seed: int, trials: int, early: str, bound: float | None) -> tuple[int, int, float]:
    """Trials, epochs, and the true accuracy of the network whose measured one is the best."""
    of, keys, epochs, best = task(space, seed), set[str](), 0, (-1.0, 0.0)
    for job, result in searched(of, spec(of, seed, trials, early, stopWhen={"expectedGainBelow": bound})):
        keys.add(job.key)
        epochs += len(result.values) - job.resumed_at
        best = max(best, (result.values[-1], of.accuracy(job.suggestion.params)))
    return len(keys), epochs, best[1]


if __name__ == "__main__":
    main()
