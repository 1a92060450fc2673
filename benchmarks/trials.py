"""What the benchmarks share: a small trial on scikit-learn's digits, started as Katib and the engine start it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from atelier_store.layout import Store, TrialPaths
from atelier_store.spec import Spec
from atelier_trial.data import prepare

from benchmarks.children import with_parent

PARAMS = ("stem_width=8", "stage1_width=24", "stage2_depth=1", "batch=32", "augment=shift", "dropout=0.1")


def digits(max_epochs: int) -> Spec:
    """A profile whose only trial trains for this many epochs."""
    experiment: dict[str, Any] = {"name": "benchmark", "parameters": [], "maxTrialCount": 1, "maxFailedTrialCount": 0}
    experiment["earlyStopping"] = {"algorithmName": "none"}
    data = {"source": "sklearn", "name": "digits"}
    return Spec.model_validate({"experiment": experiment, "trainer": {"data": data, "maxEpochs": max_epochs}})


def prepared(spec: Spec, store: Path) -> Path:
    """A store that holds the data of a profile and nothing else."""
    prepare(spec.trainer.data, Store(store), Path.cwd(), None, spec.trainer.seed)
    return store


def start_trial(
    spec: Spec,
    store: Path,
    *params: str,
    threads: int = 1,
    stderr: int = subprocess.DEVNULL,
    environment: dict[str, str] | None = None,
) -> subprocess.Popen[str]:
    """The trial program as a child process, with more environment where it is said."""
    store.mkdir(exist_ok=True)
    spec.write(store / "spec.json")
    command = [
        sys.executable,
        "-m",
        "atelier_trainer",
        "--spec",
        str(store / "spec.json"),
        "--store",
        str(store),
        "--trial",
        "t",
    ]
    command += ["--threads", str(threads), *params]
    return subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        text=True,
        env=os.environ | (environment or {}),
        preexec_fn=with_parent(),
    )


def trial_of(store: Path) -> TrialPaths | None:
    """The one trial of a store, if it is there yet."""
    trials = Store(store).trials()
    return trials[0] if trials else None
