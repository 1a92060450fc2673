"""Latencies foretold from those that a search has measured: what that refuses, replayed on measured networks.

    uv run python -m benchmarks.search.latency

Builds random networks of two search spaces, measures each as a trial does, and goes through them in many orders, as
searches would that ask at random: from what was measured so far, the next one is refused or measured. A bound is that
which a half, or a quarter, of the networks is within. Nothing is trained.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from atelier_cli.profile import load
from atelier_searcher import latency, sampling
from atelier_searcher.latency import Measured
from atelier_searcher.space import Space
from atelier_store.layout import Store
from atelier_store.spec import Spec
from atelier_trainer.appraisal import Appraiser
from atelier_trainer.cost import cost_of
from atelier_trial import data

PROFILES: dict[str, list[str]] = {
    "pictures": [],
    "rows": ["trainer.data.name=breast_cancer", "experiment.parameters=null"],
}
ORDERS = 20


def main() -> None:
    """Print a line for each space and bound."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--networks", type=int, default=40)
    given = options.parse_args()
    torch.set_num_threads(1)
    heads = (
        "space",
        "latencies",
        "within the bound",
        "foretold",
        "margin",
        "over the bound: refused",
        "within: refused",
    )
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for name, changes in PROFILES.items():
        profile = load(Path("values/quickstart.yaml"), ["trainer.budget.latencyMs=1000", *changes])
        found = measured(profile.spec, given.networks)
        times = [one.ms for one in found]
        for share in (0.5, 0.25):
            told, margin, avoided, wrong = np.nanmean(
                [replayed(found, float(np.quantile(times, share)), order) for order in range(ORDERS)], 0
            )
            ends = f"{min(times):.3f} to {max(times):.3f} ms"
            parts = (f"{told:.0%}", f"{margin:.2f}", f"{avoided:.0%}", f"{wrong:.1%}")
            print(f"| {name} | {ends} | {share:.0%} | {' | '.join(parts)} |", flush=True)


def measured(spec: Spec, count: int) -> list[Measured]:
    """Random networks of the spec's space, measured as trials measure theirs."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        description = data.prepare(spec.trainer.data, store, Path.cwd(), None, spec.trainer.seed, lambda _: None)
        appraiser, space = Appraiser(spec, store, description), Space(spec.experiment.parameters)
        for _, point in zip(range(count), sampling.draws(space, 0, 0), strict=False):
            built = appraiser.build(appraiser.architecture(space.params(point)))
            cost = cost_of(built, description, has_latency=True, has_operations=True)
            assert cost.latency is not None and cost.operations is not None
            found.append(Measured(tuple(sorted(cost.operations.items())), cost.latency.p50_ms, ""))
    return found


def replayed(found: Sequence[Measured], bound: float, seed: int) -> tuple[Any, ...]:
    """The share that was foretold, the mean margin, and the shares over the bound and within it that were refused."""
    seen: list[Measured] = []
    refused: dict[bool, list[bool]] = {True: [], False: []}
    margins = []
    for place in np.random.default_rng(seed).permutation(len(found)):
        one = found[place]
        line = latency.line(seen)
        foretold = line.foretell(dict(one.operations)) if line is not None else None
        margins += [line.margin] if line is not None and foretold is not None else []
        is_refused = foretold is not None and foretold.over(bound) is not None
        refused[one.ms > bound].append(is_refused)
        if not is_refused:
            seen.append(one)
    return len(margins) / len(found), np.mean(margins or [np.nan]), np.mean(refused[True]), np.mean(refused[False])


if __name__ == "__main__":
    main()
