"""Does the same profile give the same suggestions, keys, weights and winner twice?

    uv run python -m benchmarks.determinism --values values/quickstart.yaml

Two searches in fresh stores, one after the other; exit code 1 on any difference.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from atelier_cli.profile import load
from atelier_store.layout import Store
from atelier_store.ranking import rank, trial_records
from atelier_store.records import Card
from atelier_store.spec import Spec

from benchmarks.children import with_parent


def search(values: Path, overrides: list[str], store: Path) -> None:
    """One search by the command."""
    command = [sys.executable, "-m", "atelier_cli", "search", "--values", str(values), "--store", str(store)]
    command += [f"--set={override}" for override in overrides]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, preexec_fn=with_parent())


def outcome(store: Store, spec: Spec) -> dict[str, object]:
    """What the search came to."""
    records = trial_records(store.experiment(spec.experiment_name))
    cards = {record.key: Card.read(store.trial(record.key).card) for record in records if record.key}
    return {
        "suggestions": [(record.trial, record.params) for record in records],
        "keys": [record.key for record in records],
        "epochs": {key: card.epochs for key, card in cards.items()},
        "weights": {key: card.weights_sha256 for key, card in cards.items()},
        "bundles": {key: card.files.get("model/model.onnx") for key, card in cards.items()},
        "winner": rank(store, spec).entries[0].key,
    }


def main() -> int:
    """Print what was compared."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    arguments.add_argument("--values", type=Path, default=Path("values/quickstart.yaml"))
    arguments.add_argument("--set", action="append", default=[])
    options = arguments.parse_args()
    spec = load(options.values, options.set).spec
    with tempfile.TemporaryDirectory() as folder:
        stores = [Path(folder) / name for name in ("first", "second")]
        for store in stores:
            search(options.values, options.set, store)
        first, second = (outcome(Store(store), spec) for store in stores)
    differ = [name for name in first if first[name] != second[name]]
    for name, found in first.items():
        count = f" ({len(found)})" if isinstance(found, (list, dict)) else ""
        sys.stdout.write(f"{name}{count}: {'different' if name in differ else 'equal'}\n")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
