"""How long from the start of a trial's process to its first training step, beside `import torch` in the same minutes?

    uv run python -m benchmarks.start --runs 7

Both are timed from outside, in turn: the trial until its log says that the first step is done, `python -c "import
torch"` until it has ended. Data are prepared beforehand, as the engine does once for all trials of a search.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from atelier_trainer.run import FIRST_STEP

from benchmarks.trials import PARAMS, digits, prepared, start_trial


def first_step(store: Path) -> float:
    """Seconds from process start to the first training step; the trial is then ended."""
    started = time.perf_counter()
    process = start_trial(digits(1000), store, *PARAMS, stderr=subprocess.PIPE)
    assert process.stderr is not None
    for line in process.stderr:
        if FIRST_STEP in line:
            seconds = time.perf_counter() - started
            process.kill()
            process.wait()
            return seconds
    raise RuntimeError("the trial ended before its first step")


def import_torch() -> float:
    """Seconds that a process takes that imports torch and ends."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    return time.perf_counter() - started


def main() -> None:
    """Print medians and their difference."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=7)
    runs = arguments.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        first = prepared(digits(1000), Path(folder) / "prepared")
        stores = [shutil.copytree(first, Path(folder) / str(run)) for run in range(runs + 1)]
        pairs = [(import_torch(), first_step(store)) for store in stores][1:]  # the first warms up
    torch, trial = (statistics.median(values) for values in zip(*pairs, strict=True))
    extra = statistics.median(b - a for a, b in pairs)
    print(
        f"import torch {torch:.2f} s; first training step {trial:.2f} s; "
        f"median difference {extra:+.2f} s over {runs} pairs"
    )


if __name__ == "__main__":
    main()
