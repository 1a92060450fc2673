"""Two trials at once, each with its share of the cores, against the same two with torch's stock number of threads.

    uv run python -m benchmarks.threads --runs 3

Prints the seconds per epoch of both, and the ratio; runs alternate.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path

from atelier_store.curve import read_curve

from benchmarks.trials import digits, start_trial, trial_of

EPOCHS = 6
PARAMS = (
    "stem_width=16",
    "stage1_depth=2",
    "stage1_width=48",
    "stage2_depth=1",
    "stage2_width=64",
    "batch=64",
    "augment=shift",
)


def seconds_per_epoch(folder: Path, threads: int, environment: dict[str, str] | None = None) -> float:
    """Median over the epochs of two trials that run at once."""
    stores = [folder / "a", folder / "b"]
    folder.mkdir()
    processes = [
        start_trial(digits(EPOCHS), store, *PARAMS, threads=threads, environment=environment) for store in stores
    ]
    if any(process.wait() for process in processes):
        raise RuntimeError("a trial failed")
    curves = [read_curve(trial.metrics) for store in stores if (trial := trial_of(store))]
    return statistics.median(epoch.seconds for curve in curves for epoch in curve[1:])


def main() -> None:
    """Print medians and their ratio."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=3)
    runs = arguments.parse_args().runs
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder:
        share, stock = [], []
        for run in range(runs):
            share.append(seconds_per_epoch(Path(folder) / f"share{run}", max(1, cores // 2)))
            stock.append(
                seconds_per_epoch(Path(folder) / f"stock{run}", cores, {"GOMP_SPINCOUNT": "300000"})
            )  # libgomp's own default
    ours, theirs = statistics.median(share), statistics.median(stock)
    print(
        f"each with its share {ours:.2f} s/epoch; "
        f"with {cores} threads each {theirs:.2f} s/epoch; {theirs / ours:.1f} times as fast"
    )


if __name__ == "__main__":
    main()
