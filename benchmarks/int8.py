"""`trainer.finish.int8`: trained networks beside themselves in int8, by score, time and size.

    uv run python -m benchmarks.int8

Trains networks of several sizes, each once, and brings each to int8. Times are those of one example in one thread, both
networks in turns.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from atelier_store.layout import Store
from atelier_store.ranking import rank
from atelier_store.records import Manifest
from atelier_store.spec import Spec
from atelier_trainer.trial import run_trial
from atelier_trial.request import Request, StopRequest, in_int8

DIGITS = {"source": "sklearn", "name": "digits"}
CANCER = {"source": "sklearn", "name": "breast_cancer"}
DIABETES = {"source": "sklearn", "name": "diabetes", "task": "regression"}
NETWORKS: dict[str, tuple[dict[str, str], int, str]] = {
    "digits, convolutions of 32 and 48": (DIGITS, 6, "stem_width=16 stage1_width=32 stage2_depth=1 stage2_width=48"),
    "digits, separable, silu, squeeze-and-excitation": (
        *(DIGITS, 6),
        "stem_width=16 stage1_op=sep3 stage1_width=32 stage2_depth=1 stage2_op=mbconv3 stage2_width=48 activation=silu"
        " se=true",
    ),
    "digits, convolutions of 128": (DIGITS, 2, "stem_width=64 stage1_op=res3 stage1_depth=2 stage1_width=128"),
    "breast_cancer, layers of 64": (CANCER, 9, "stem_width=64 stage1_op=residual stage1_width=64"),
    "breast_cancer, layers of 256": (CANCER, 9, "stem_width=256 stage1_op=residual stage1_depth=2 stage1_width=256"),
    "breast_cancer, layers of 512": (CANCER, 6, "stem_width=512 stage1_op=residual stage1_depth=3 stage1_width=512"),
    "diabetes, layers of 64": (DIABETES, 9, "stem_width=64 stage1_width=64"),
}


def main() -> None:
    """Print a line for each network."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    heads = ("network", "parameters", "multiply-adds", "score", "in int8", "ms", "time", "size", "kept at 0.01")
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for name, (data, epochs, params) in NETWORKS.items():
        search = spec(data, epochs)
        with tempfile.TemporaryDirectory() as folder:
            store, stop = Store(Path(folder)), StopRequest()
            request = Request(search, store, "trial", {"lr": "0.005"} | dict(p.split("=") for p in params.split()))
            with contextlib.redirect_stdout(sys.stderr):  # it prints the metrics of every epoch
                run_trial(request, stop)
                last = in_int8(request)
                assert last is not None
                made = run_trial(last, stop)
            (line,) = rank(store, search).finish
            assert made.int8 is not None and made.latency is not None and line.metric is not None, made.reason
            before = Manifest.read(store.trial(str(last.int8_of)).bundle.manifest)
            ratio, size = f"{made.int8.latency:.2f}", f"{made.int8.size:.2f}"
            scores = f"{line.best:.4g} | {line.metric:.4g}"
            time = f"{made.latency.p50_ms / made.int8.latency:.3f} | {ratio}"
            kept = "yes" if line.kept else "no"
            print(f"| {name} | {before.params:,} | {before.macs:,} | {scores} | {time} | {size} | {kept} |", flush=True)


def spec(data: Mapping[str, Any], epochs: int) -> Spec:
    """A search that is nothing but its trial."""
    objective = {"type": "maximize", "objectiveMetricName": "val_accuracy"}
    if data.get("task") == "regression":
        objective = {"type": "minimize", "objectiveMetricName": "val_rmse"}
    trainer = {"data": dict(data), "maxEpochs": epochs, "finish": {"int8": 0.01}}
    experiment = {
        "name": "int8",
        "objective": objective,
        "algorithm": {},
        "earlyStopping": {"algorithmName": "none"},
        "parallelTrialCount": 1,
        "maxTrialCount": 1,
        "maxFailedTrialCount": 1,
        "parameters": [],
    }
    return Spec.model_validate({"experiment": experiment, "trainer": trainer})


if __name__ == "__main__":
    main()
