"""Does halving find what training every suggestion to the end finds, and for which share of the epochs?

    uv run python -m benchmarks.halving --data digits
    uv run python -m benchmarks.halving --data fashion-mnist --data-dir FOLDER

The same random suggestions are trained to maxEpochs, all of them; then a second search in the same store, with halving,
is answered from those curves: a trial's curve does not depend on how far it will go. Prints the epochs of both and
their best validation score.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from atelier_cli.profile import load
from atelier_cli.search.engine import Engine, Totals
from atelier_cli.search.schedule import Result
from atelier_store.layout import Store
from atelier_store.spec import Spec

PROFILES = {"digits": "values/quickstart.yaml", "fashion-mnist": "values/fashion-mnist.yaml"}
FIRST = 10_000
"""Images of Fashion-MNIST that are used, a fifth of them for validation."""


class Ends:
    """A `Watcher` that keeps how far each trial went, and prints a line for each that was trained."""

    def __init__(self) -> None:
        self.values: dict[str, tuple[float, ...]] = {}

    def started(self, name: str, epochs_before: int) -> None:
        """Nothing to keep."""

    def epoch(self, name: str, epoch: int, value: float) -> None:
        """Nothing to keep."""

    def ended(self, name: str, result: Result, trained: int, reason: str | None) -> None:
        """The longest curve of each trial counts."""
        if len(result.values) >= len(self.values.get(name, ())):
            self.values[name] = result.values
        if trained:
            print(f"  {name}: {trained} epochs, {result.values[-1] if result.values else reason}", flush=True)

    def under_way(self, name: str, text: str) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing to keep."""


def run(spec: Spec, store: Store, data_dir: Path | None) -> tuple[Ends, Totals]:
    """One search."""
    ends, totals = Ends(), Totals()
    engine = Engine(spec, store, ends, totals, data_dir)
    engine.search(engine.prepare())
    return ends, totals


def main() -> None:
    """Print both searches and their ratio."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    arguments.add_argument("--data", choices=list(PROFILES), default="digits")
    arguments.add_argument("--data-dir", type=Path)
    arguments.add_argument("--trials", type=int, default=27)
    arguments.add_argument("--max-epochs", type=int, default=27)
    arguments.add_argument("--set", action="append", default=[])
    options = arguments.parse_args()
    overrides = [
        "experiment.algorithm.algorithmName=random",
        "experiment.algorithm.algorithmSettings=[]",
        f"experiment.maxTrialCount={options.trials}",
        f"trainer.maxEpochs={options.max_epochs}",
        "trainer.tailEpochs=0",
        "trainer.finish.mirror=false",
        "trainer.finish.retrain=null",
        *([f"trainer.data.limit={FIRST}"] if options.data == "fashion-mnist" else []),
        *options.set,
    ]
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        every = load(Path(PROFILES[options.data]), [*overrides, "experiment.earlyStopping={algorithmName: none}"]).spec
        full, trained = run(every, store, options.data_dir)
        halving, replayed = run(load(Path(PROFILES[options.data]), overrides).spec, store, options.data_dir)
    epochs = [sum(map(len, ends.values.values())) for ends in (full, halving)]
    best = [max(values[-1] for values in ends.values.values() if values) for ends in (full, halving)]
    print(f"{options.data}: {len(full.values)} suggestions, {trained.epochs_trained} epochs in {trained.seconds:.0f} s")
    print(f"  every trial to epoch {options.max_epochs}: {epochs[0]} epochs, best {best[0]:.4f}")
    print(
        f"  halving: {epochs[1]} epochs ({epochs[1] / epochs[0]:.0%}), "
        f"best {best[1]:.4f} ({100 * (best[1] - best[0]):+.2f} points)"
    )
    print(f"  trained again for the second search: {replayed.epochs_trained}")


if __name__ == "__main__":
    main()
