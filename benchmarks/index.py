"""How long a look at the trials of a large search takes, with and without its index.

    uv run python -m benchmarks.index --trials 10000

Makes up a store and looks at it: for the first time, again in the same process, in a new one that begins with the file,
and as `atelier leaderboard`; beside them, what a promotion reads and hashes. Looks are from the first to the last row,
without imports; commands are whole. CPU seconds stand beside those of the clock, which other work on the machine makes
longer. Each is the median of so many rounds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from atelier_store import index
from atelier_store.index import Index
from atelier_store.layout import Store
from atelier_store.ranking import rank

from benchmarks.made_up_store import make


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock and of the CPU, child processes included."""
    began, before = time.perf_counter(), sum(os.times()[:4])
    work()
    return time.perf_counter() - began, sum(os.times()[:4]) - before


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        spec = make(store, given.trials)
        time.sleep(index.SETTLED)  # rows of files that have just been written are not kept
        experiment = store.experiment(spec.experiment_name)
        rounds: dict[str, list[tuple[float, float]]] = {}

        def say(name: str, work: Callable[[], object]) -> None:
            rounds.setdefault(name, []).append(measured(work))

        command = [sys.executable, "-m", "atelier_cli", "leaderboard", "--store", folder]
        for _ in range(given.rounds):
            experiment.index.unlink(missing_ok=True)
            looking = Index(store, experiment)
            say("first look", looking.rows)
            say("second look", looking.rows)
            say("first look with the file", Index(store, experiment).rows)
            say("atelier leaderboard", lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
            say("rank, for a promotion", lambda: rank(store, spec))
        for name, taken in rounds.items():
            clock, cpu = (statistics.median(seconds) for seconds in zip(*taken, strict=True))
            print(f"{name}: {clock:.2f} s, {cpu:.2f} s of CPU")
        print(f"index.json: {experiment.index.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
